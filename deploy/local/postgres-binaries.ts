import { execFile } from "node:child_process";
import { cp, mkdir, readFile, rename, rm, stat } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { systemDirectoryOf } from "./data-directory.ts";
import { EmbeddedPostgresError } from "./embedded-postgres-error.ts";
import type { ServerAccount } from "./postgres-account.ts";

const run = promisify(execFile);
/**
 * The folder with `initdb` and `postgres`, in a place the server's account may read: the installed npm package, or a
 * copy made once per version when the checkout is closed to that account (below `/root`, say).
 * @throws EmbeddedPostgresError when no package fits this machine.
 */
export async function findPostgresBinaries(account: ServerAccount | undefined): Promise<string> {
  const packageFile = locatePackage();
  const native = join(dirname(packageFile), "native");
  if (await canRun(native, account)) return join(native, "bin");
  const { version } = JSON.parse(await readFile(packageFile, "utf8")) as { version: string }; // npm's own file
  const copy = join(systemDirectoryOf(), `postgres-binaries-${version}`);
  if (!(await canRun(copy, account))) await copyBinaries(native, copy);
  if (!(await canRun(copy, account))) {
    throw new EmbeddedPostgresError(`PostgreSQL in ${native} does not run here: set DATABASE_URL to a server of yours`);
  }
  return join(copy, "bin");
}

function locatePackage(): string {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    // The package exports its entry alone, so its own package.json is found beside that.
    const entry = createRequire(import.meta.url).resolve(name);
    return join(dirname(dirname(entry)), "package.json");
  } catch (error) {
    throw new EmbeddedPostgresError(
      `PostgreSQL for this machine (${name}) is not installed: run \`npm install\`, or set DATABASE_URL to a server of yours`,
      { cause: error },
    );
  }
}

async function canRun(native: string, account: ServerAccount | undefined): Promise<boolean> {
  return run(join(native, "bin", "postgres"), ["--version"], { ...account, cwd: "/" }).then(
    () => true,
    () => false,
  );
}

async function copyBinaries(from: string, to: string): Promise<void> {
  const partial = `${to}.${process.pid}`;
  await mkdir(dirname(to), { recursive: true, mode: 0o755 });
  await cp(from, partial, { recursive: true, verbatimSymlinks: true });
  const taken = await stat(to).catch(() => undefined);
  if (taken) await rm(to, { recursive: true, force: true });
  // Renamed when whole, so that a copy cut short is never used.
  await rename(partial, to);
}
