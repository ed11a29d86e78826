import { type ChildProcess, fork } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir, totalmem } from "node:os";
import path from "node:path";
import pg from "pg";
import pino from "pino";
import { z } from "zod";
import { openStorage } from "../../../services/credential/storage/open-storage.ts";
import type { Tables } from "../../../services/credential/storage/tables.ts";
import { migrate } from "../../../services/platform/db/migrate.ts";
import { openDatabase } from "../../../services/platform/db/open-database.ts";
import { provisionDatabase } from "../../../services/platform/db/provision.ts";
import { secretsByVersion } from "../../../services/platform/testing/memory-vault-store.ts";
import { releaseDataDirectory, startEmbeddedPostgres } from "../../local/postgres.ts";
import { repositoryRoot } from "../../local/world.ts";
import { benchSchema } from "./bench-names.ts";
import { seedConnections } from "./seed-connections.ts";

const encryptionKey = "encryption-key-of-the-benchmark-0123456789";
const password = "bench-password";
/** What a server for a million connections is given by PostgreSQL's own advice: a quarter of the machine's memory. */
const sharedBuffers = `${Math.min(4096, Math.floor(totalmem() / 4 / 1024 ** 2))}MB`;
const silent = pino({ level: "silent" });
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
  const dataDirectory = await mkdtemp(path.join(tmpdir(), "paymesh-bench-refresh-"));
  const postgres = await startEmbeddedPostgres({ dataDirectory, port: 0, durable: true, sharedBuffers });
  const role = `${benchSchema}_service`;
  await provisionDatabase({ adminUrl: postgres.url, services: [{ schema: benchSchema, role, password }] });
  const directory = new URL("../../../services/credential/storage/migrations/", import.meta.url);
  await migrate({ url: postgres.url, schema: benchSchema, directory, log: silent });
  const address = new URL(postgres.url);
  Object.assign(address, { username: role, password });
  const pool = new pg.Pool({ connectionString: postgres.url, options: `-c search_path=${benchSchema}`, max: 2 });
  // A session that is idle when the server stops ends with an error nobody waits for.
  pool.on("error", () => {});
  const provider = startChild("instant-provider.ts", { DELAY_MS: String(options.delayMs) });
  const { port } = z.object({ port: z.number() }).parse(await messageOf(provider));
  const worker = startChild("refresh-worker.ts", {
    DATABASE_URL: address.href,
    PROVIDER_URL: `http://127.0.0.1:${port}/token`,
    CREDENTIAL_ENCRYPTION_KEY: encryptionKey,
  });
  await messageOf(worker);
  const tell = async (order: object): Promise<Swept> => {
    worker.send(order);
    return swept.parse(await messageOf(worker));
  };
  return {
    pool,
    pids: { postgres: postgres.pid, credential: worker.pid ?? 0, provider: provider.pid ?? 0 },
    seed: async (count) => {
      const db = openDatabase<Tables>({
        url: address.href,
        schema: benchSchema,
        applicationName: "bench-seed",
        log: silent,
      });
      const storage = await openStorage({ db, masterKeys: secretsByVersion({ 1: encryptionKey }), log: silent });
      await seedConnections(pool, storage.vault, count);
      await db.close();
    },
    sweep: () => tell({ do: "sweep" }),
    run: (ms) => tell({ do: "run", ms }),
    stop: async () => {
      await Promise.all([worker, provider].map(endOf));
      await pool.end();
      await postgres.stop();
      await releaseDataDirectory(dataDirectory);
      await rm(dataDirectory, { recursive: true, force: true });
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
