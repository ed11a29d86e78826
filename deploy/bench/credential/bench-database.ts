import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir, totalmem } from "node:os";
import path from "node:path";
import pino from "pino";
import { openStorage } from "../../../services/credential/storage/open-storage.ts";
import type { Storage } from "../../../services/credential/storage/storage.ts";
import type { Tables } from "../../../services/credential/storage/tables.ts";
import { migrate } from "../../../services/platform/db/migrate.ts";
import { openDatabase } from "../../../services/platform/db/open-database.ts";
import { provisionDatabase } from "../../../services/platform/db/provision.ts";
import { secretsByVersion } from "../../../services/platform/testing/memory-vault-store.ts";
import { releaseDataDirectory, startEmbeddedPostgres } from "../../local/postgres.ts";
import { benchSchema } from "./bench-names.ts";

/** What everything in a benchmark's database is sealed under. */
export const benchEncryptionKey = "encryption-key-of-the-benchmark-0123456789";
const password = "bench-password";
/** What a server for a million connections is given by PostgreSQL's own advice: a quarter of the machine's memory. */
const sharedBuffers = `${Math.min(4096, Math.floor(totalmem() / 4 / 1024 ** 2))}MB`;
const silent = pino({ level: "silent" });

/** A durable PostgreSQL with the service's tables and nothing in them. */
export interface BenchDatabase {
  /** The superuser's. */
  readonly adminUrl: string;
  /** The service's own. */
  readonly url: string;
  readonly pid: number;
  /** Lends the service's storage, its connections closed afterwards. */
  withStorage<T>(poolSizeMax: number, use: (storage: Storage) => Promise<T>): Promise<T>;
  /** Leaves nothing behind. */
  stop(): Promise<void>;
}

/** Starts it. */
export async function startBenchDatabase(): Promise<BenchDatabase> {
  const dataDirectory = await mkdtemp(path.join(tmpdir(), "paymesh-bench-credential-"));
  const postgres = await startEmbeddedPostgres({ dataDirectory, port: 0, durable: true, sharedBuffers });
  const role = `${benchSchema}_service`;
  await provisionDatabase({ adminUrl: postgres.url, services: [{ schema: benchSchema, role, password }] });
  const directory = new URL("../../../services/credential/storage/migrations/", import.meta.url);
  await migrate({ url: postgres.url, schema: benchSchema, directory, log: silent });
  const address = new URL(postgres.url);
  Object.assign(address, { username: role, password });
  const url = address.href;
  return {
    adminUrl: postgres.url,
    url,
    pid: postgres.pid,
    withStorage: async (poolSizeMax, use) => {
      const names = { schema: benchSchema, applicationName: "bench-credential" };
      const db = openDatabase<Tables>({ ...names, url, poolSizeMax, log: silent });
      try {
        const masterKeys = secretsByVersion({ 1: benchEncryptionKey });
        return await use(await openStorage({ db, masterKeys, log: silent }));
      } finally {
        await db.close();
      }
    },
    stop: async () => {
      await postgres.stop();
      await releaseDataDirectory(dataDirectory);
      await rm(dataDirectory, { recursive: true, force: true });
    },
  };
}
