import { hkdfSync } from "node:crypto";
import type { FastifyInstance } from "fastify";
import { type Database, openDatabase } from "../../platform/db/open-database.ts";
import type { Logger } from "../../platform/telemetry/logger.ts";
import type { Clock } from "../../platform/time/clock.ts";
import { createSealedBox, type SealedBox } from "../../platform/vault/sealed-box.ts";
import type { SandboxConfig } from "./config.ts";
import { keepWorking, type SandboxJob } from "./jobs/keep-working.ts";
import type { KitTables } from "./storage/kit-tables.ts";

/** What a process or a test gives to a sandbox it builds. */
export interface BuildParts {
  readonly log: Logger;
  readonly clock: Clock;
}

/** A built sandbox, not yet listening. `stop` ends its work and closes the database. */
export interface Sandbox {
  readonly server: FastifyInstance;
  stop(): Promise<void>;
}

/** What a sandbox is built on. */
export interface SandboxBase<Tables extends KitTables> {
  readonly db: Database<Tables>;
  /** A key for one purpose, from `SANDBOX_DATA_KEY`. */
  key(purpose: string): Buffer;
  readonly box: SealedBox;
  /** The sandbox with its server and work; the work starts now. */
  start(server: FastifyInstance, jobs: readonly SandboxJob[]): Sandbox;
}

/** Opens database and keys of a sandbox, and hands them to `build`; a build that fails closes the database again. */
export async function openSandbox<Tables extends KitTables>(
  name: string,
  config: SandboxConfig,
  parts: BuildParts,
  build: (base: SandboxBase<Tables>) => Promise<Sandbox>,
): Promise<Sandbox> {
  const { log } = parts;
  const key = (purpose: string) =>
    Buffer.from(hkdfSync("sha256", config.SANDBOX_DATA_KEY, "", `${name} ${purpose}`, 32));
  const db = openDatabase<Tables>({
    url: config.DATABASE_URL,
    schema: config.DATABASE_SCHEMA,
    applicationName: name,
    poolSizeMax: config.DATABASE_POOL_SIZE,
    log,
  });
  const box = createSealedBox({ keys: new Map([["1", key("sealing")]]), currentKeyId: "1" });
  const start: SandboxBase<Tables>["start"] = (server, jobs) => {
    const work = keepWorking(jobs, { server, log });
    return {
      server,
      async stop() {
        await server.close();
        await work.stop();
        await db.close();
      },
    };
  };
  try {
    return await build({ db, key, box, start });
  } catch (cause) {
    await db.close();
    throw cause;
  }
}
