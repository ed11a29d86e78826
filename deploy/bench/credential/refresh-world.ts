import { type ChildProcess, fork } from "node:child_process";
import path from "node:path";
import pg from "pg";
import { z } from "zod";
import { repositoryRoot } from "../../local/world.ts";
import { benchEncryptionKey, startBenchDatabase } from "./bench-database.ts";
import { benchSchema } from "./bench-names.ts";
import { seedConnections } from "./seed-connections.ts";

const swept = z.object({ count: z.number(), seconds: z.number() });

/** What a sweep did. */
export type Swept = z.infer<typeof swept>;

/** A durable PostgreSQL with seeded connections, one replica of the refresh engine and a provider, each a process of its own. */
export interface RefreshWorld {
  /** With the superuser. */
  readonly pool: pg.Pool;
  readonly pids: Readonly<Record<string, number>>;
  seed(count: number): Promise<void>;
  sweep(): Promise<Swept>;
  run(ms: number): Promise<Swept>;
  stop(): Promise<void>;
}

/** Starts it; nothing of it is left behind. `delayMs`: how long the provider takes. */
export async function startRefreshWorld(options: { delayMs: number }): Promise<RefreshWorld> {
  const database = await startBenchDatabase();
  const pool = new pg.Pool({ connectionString: database.adminUrl, options: `-c search_path=${benchSchema}`, max: 2 });
  // A session that is idle when the server stops ends with an error nobody waits for.
  pool.on("error", () => {});
  const provider = startChild("instant-provider.ts", { DELAY_MS: String(options.delayMs) });
  const { port } = z.object({ port: z.number() }).parse(await messageOf(provider));
  const worker = startChild("refresh-worker.ts", {
    DATABASE_URL: database.url,
    PROVIDER_URL: `http://127.0.0.1:${port}/token`,
    CREDENTIAL_ENCRYPTION_KEY: benchEncryptionKey,
  });
  await messageOf(worker);
  const tell = async (order: object): Promise<Swept> => {
    worker.send(order);
    return swept.parse(await messageOf(worker));
  };
  return {
    pool,
    pids: { postgres: database.pid, credential: worker.pid ?? 0, provider: provider.pid ?? 0 },
    seed: (count) => database.withStorage(10, ({ vault }) => seedConnections(pool, vault, count)),
    sweep: () => tell({ do: "sweep" }),
    run: (ms) => tell({ do: "run", ms }),
    stop: async () => {
      await Promise.all([worker, provider].map(endOf));
      await pool.end();
      await database.stop();
    },
  };
}

function startChild(file: string, env: Record<string, string>): ChildProcess {
  const script = path.join(repositoryRoot, "deploy/bench/credential", file);
  return fork(script, [], {
    env: { ...process.env, ...env },
    execArgv: ["--max-semi-space-size=8"],
  });
}

function endOf(child: ChildProcess): Promise<void> {
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  child.disconnect();
  return ended;
}

function messageOf(child: ChildProcess): Promise<unknown> {
  return new Promise((resolve, reject) => {
    child.once("message", resolve);
    child.once("exit", (code) => reject(new Error(`a process of the benchmark ended with ${code}`)));
  });
}
