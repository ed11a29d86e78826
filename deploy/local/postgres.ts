import { type ChildProcess, spawn } from "node:child_process";
import { open, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import pg from "pg";
import { EmbeddedPostgresError } from "./embedded-postgres-error.ts";
import { serverAccount } from "./postgres-account.ts";
import { findPostgresBinaries } from "./postgres-binaries.ts";
import { type ClusterFiles, hasCluster, prepareCluster } from "./postgres-cluster.ts";
import { clearEarlierServer, stopServer } from "./postgres-process.ts";

export { EmbeddedPostgresError } from "./embedded-postgres-error.ts";

const database = "paymesh";
const connectionsMax = 200;
const throwawaySettings = {
  fsync: "off",
  synchronous_commit: "off",
  full_page_writes: "off",
  autovacuum: "off",
  deadlock_timeout: "100ms",
};
/** Long enough for the recovery after a crash. */
const startWaitMs = 60_000;
const pollMs = 50;

/** Which cluster to run, and how. */
export interface EmbeddedPostgresOptions {
  /** Kept between starts. As root it must be a place the user `postgres` may enter, as `dataDirectoryOf` names. */
  readonly dataDirectory: string;
  /** On 127.0.0.1; 0 takes a free one. */
  readonly port: number;
  /** False gives up safety against power loss for speed: for clusters that are thrown away. */
  readonly durable: boolean;
  /** Memory for pages, such as `1GB`; 128 MB for a durable cluster and 64 MB for another when absent. */
  readonly sharedBuffers?: string;
}

/** A running server. Its starter stops it. */
export interface EmbeddedPostgres {
  /** Superuser access to the database `paymesh`. */
  readonly url: string;
  readonly port: number;
  /** The postmaster's process. */
  readonly pid: number;
  /** Resolves when the server has ended, asked or not. */
  readonly ended: Promise<void>;
  /** Fast shutdown; resolves when the process is gone. A second call does nothing. */
  stop(): Promise<void>;
}

/**
 * Starts PostgreSQL from the installed npm package, in its own process group so that Ctrl-C reaches its users first.
 * The first time it makes the cluster. Left-overs of a start that was killed are cleared.
 * @throws EmbeddedPostgresError with one line for a person: port taken, place unusable, server ended.
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const account = await serverAccount();
  const binaries = await findPostgresBinaries(account);
  const files = await prepareCluster({ dataDirectory: options.dataDirectory, binaries, account });
  await clearEarlierServer(files.cluster, files.ownerFile);
  const port = await claimPort(options.port);
  await writeFile(files.ownerFile, `${process.pid}\n`);
  const log = await open(files.logFile, "w", 0o600);
  const child = spawn(join(binaries, "postgres"), serverParameters(files, port, options), {
    ...account,
    cwd: "/",
    env: { PATH: "/usr/bin:/bin", LC_ALL: "C", TZ: "UTC" },
    stdio: ["ignore", log.fd, log.fd],
    detached: true,
  });
  const ended = new Promise<void>((resolve) => {
    child.once("exit", () => resolve());
    child.once("error", () => resolve());
  });
  await log.close();
  const password = (await readFile(files.passwordFile, "utf8")).trim();
  const server = `postgres://postgres:${password}@127.0.0.1:${port}`;
  await waitUntilReady(child, `${server}/postgres`, files);
  return {
    url: `${server}/${database}`,
    port,
    pid: child.pid ?? 0,
    ended,
    stop: () => stop(child, files),
  };
}

/**
 * Ends a server that was left running in this directory by a process that died, and says whether the directory is free.
 * Used before a directory is wiped.
 * @throws EmbeddedPostgresError when another living process uses it.
 */
export async function releaseDataDirectory(dataDirectory: string): Promise<void> {
  if (!(await hasCluster(dataDirectory))) return;
  await clearEarlierServer(join(dataDirectory, "cluster"), join(dataDirectory, "owner.pid"));
}

function serverParameters(files: ClusterFiles, port: number, options: EmbeddedPostgresOptions): string[] {
  const { durable } = options;
  const settings: Record<string, string | number> = {
    listen_addresses: "127.0.0.1",
    unix_socket_directories: "",
    port,
    max_connections: connectionsMax,
    shared_buffers: options.sharedBuffers ?? (durable ? "128MB" : "64MB"),
    jit: "off",
    timezone: "UTC",
    log_timezone: "UTC",
    log_line_prefix: "%m [%p] %a ",
    // Statements may carry personal data; the log keeps errors without them.
    log_min_error_statement: "panic",
    log_parameter_max_length_on_error: 0,
    log_checkpoints: "off",
    ...(durable ? {} : throwawaySettings),
  };
  return ["-D", files.cluster, ...Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`])];
}

async function claimPort(port: number): Promise<number> {
  const probe = createServer();
  return new Promise((resolve, reject) => {
    probe.once("error", (error: NodeJS.ErrnoException) => {
      const what = error.code === "EADDRINUSE" ? "is taken: stop what uses it or choose another" : "cannot be used";
      reject(new EmbeddedPostgresError(`port ${port} of 127.0.0.1, meant for PostgreSQL, ${what}`, { cause: error }));
    });
    probe.listen(port, "127.0.0.1", () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === "object" && address ? address.port : port));
    });
  });
}

async function waitUntilReady(child: ChildProcess, url: string, files: ClusterFiles): Promise<void> {
  const until = performance.now() + startWaitMs;
  for (;;) {
    if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) {
      throw new EmbeddedPostgresError(`PostgreSQL ended at once: ${await lastError(files.logFile)}`);
    }
    if (await ensureDatabase(url)) return;
    if (performance.now() > until) {
      await stop(child, files);
      throw new EmbeddedPostgresError(`PostgreSQL is not ready after ${startWaitMs / 1000} s, see ${files.logFile}`);
    }
    await delay(pollMs);
  }
}

async function ensureDatabase(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2_000 });
  // A connection cut after it was made also emits "error", which would end the process.
  client.on("error", () => undefined);
  try {
    await client.connect();
    const { rowCount } = await client.query("select 1 from pg_database where datname = $1", [database]);
    if (rowCount === 0) await client.query(`create database ${database}`);
    return true;
  } catch {
    return false;
  } finally {
    await client.end().catch(() => undefined);
  }
}

async function lastError(logFile: string): Promise<string> {
  const lines = (await readFile(logFile, "utf8").catch(() => "")).trim().split("\n");
  return lines.findLast((line) => /FATAL|PANIC|ERROR/.test(line)) ?? lines.at(-1) ?? "it gave no reason";
}

async function stop(child: ChildProcess, files: ClusterFiles): Promise<void> {
  if (child.pid !== undefined) await stopServer(child.pid);
  await rm(files.ownerFile, { force: true });
}
