import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chmod, chown, mkdir, readFile, realpath, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { EmbeddedPostgresError } from "./embedded-postgres-error.ts";
import type { ServerAccount } from "./postgres-account.ts";

const run = promisify(execFile);
const initdbTimeoutMs = 60_000;

/** Where the parts of one cluster lie. */
export interface ClusterFiles {
  readonly cluster: string;
  readonly passwordFile: string;
  /** The process that started the server. */
  readonly ownerFile: string;
  readonly logFile: string;
}

/**
 * Makes the directory and, the first time, the cluster with a random superuser password in a file only its owner reads.
 * The cluster is renamed into place when it is whole, so a start cut short begins again.
 * @throws EmbeddedPostgresError when the place cannot be used, or the cluster was made by another major version.
 */
export async function prepareCluster(options: {
  dataDirectory: string;
  binaries: string;
  account: ServerAccount | undefined;
}): Promise<ClusterFiles> {
  const directory = await prepareDirectory(options.dataDirectory, options.account);
  const files: ClusterFiles = {
    cluster: join(directory, "cluster"),
    passwordFile: join(directory, "superuser-password"),
    ownerFile: join(directory, "owner.pid"),
    logFile: join(directory, "server.log"),
  };
  const version = await readFile(join(files.cluster, "PG_VERSION"), "utf8").catch(() => undefined);
  if (version === undefined) await createCluster(files, options.binaries, options.account);
  else await checkVersion(version.trim(), files.cluster, options.binaries);
  return files;
}

async function prepareDirectory(path: string, account: ServerAccount | undefined): Promise<string> {
  try {
    await mkdir(path, { recursive: true, mode: 0o755 });
    const directory = await realpath(path);
    await chmod(directory, 0o700);
    if (account) await chown(directory, account.uid, account.gid);
    // `test -w` as the server's account also proves that every folder above may be entered.
    await run("test", ["-w", directory], { ...account, cwd: "/" });
    return directory;
  } catch (error) {
    throw new EmbeddedPostgresError(
      `${path} cannot hold the database: choose a place the user "postgres" may enter, or set DATABASE_URL`,
      { cause: error },
    );
  }
}

async function createCluster(files: ClusterFiles, binaries: string, account: ServerAccount | undefined): Promise<void> {
  const partial = `${files.cluster}.partial`;
  await rm(partial, { recursive: true, force: true });
  await rm(files.cluster, { recursive: true, force: true });
  await writeFile(files.passwordFile, `${randomBytes(24).toString("base64url")}\n`, { mode: 0o600 });
  if (account) await chown(files.passwordFile, account.uid, account.gid);
  const settings = [
    ["--pgdata", partial],
    ["--username", "postgres"],
    ["--pwfile", files.passwordFile],
    ["--encoding", "UTF8"],
    ["--locale-provider", "builtin"],
    ["--builtin-locale", "C.UTF-8"],
    ["--locale", "C"],
  ].flat();
  try {
    await run(join(binaries, "initdb"), [...settings, "--auth=scram-sha-256", "--no-sync"], {
      ...account,
      cwd: "/",
      timeout: initdbTimeoutMs,
    });
  } catch (error) {
    const said = error instanceof Error && "stderr" in error ? String(error.stderr).trim().split("\n").pop() : "";
    throw new EmbeddedPostgresError(`initdb failed in ${files.cluster}: ${said || "it gave no reason"}`, {
      cause: error,
    });
  }
  await rename(partial, files.cluster);
}

async function checkVersion(version: string, cluster: string, binaries: string): Promise<void> {
  const { stdout } = await run(join(binaries, "postgres"), ["--version"]);
  const major = /(\d+)/.exec(stdout)?.[1];
  if (major !== version) {
    throw new EmbeddedPostgresError(
      `the database in ${cluster} was made by PostgreSQL ${version}, this is ${major}: \`npm start -- --reset\` begins anew`,
    );
  }
}

/** Whether a cluster exists below this data directory. */
export async function hasCluster(dataDirectory: string): Promise<boolean> {
  return stat(join(dataDirectory, "cluster", "PG_VERSION")).then(
    () => true,
    () => false,
  );
}
