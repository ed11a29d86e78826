import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { releaseDataDirectory, startEmbeddedPostgres } from "../../../deploy/local/postgres.ts";

const directoryPrefix = "paymesh-test-postgres-";

/**
 * Starts the one PostgreSQL server of a vitest run and removes it afterwards; its superuser address is in
 * `PAYMESH_TEST_DATABASE_URL` of every worker. When that variable is set already, the server it names is used.
 */
export async function setup(): Promise<() => Promise<void>> {
  if (process.env["PAYMESH_TEST_DATABASE_URL"]) return async () => undefined;
  await removeAbandoned();
  const dataDirectory = await mkdtemp(join(tmpdir(), directoryPrefix));
  const server = await startEmbeddedPostgres({ dataDirectory, port: 0, durable: false });
  process.env["PAYMESH_TEST_DATABASE_URL"] = server.url;
  const abandon = () => process.kill(server.pid, "SIGQUIT");
  process.once("exit", abandon);
  return async () => {
    process.off("exit", abandon);
    delete process.env["PAYMESH_TEST_DATABASE_URL"];
    await server.stop();
    await rm(dataDirectory, { recursive: true, force: true });
  };
}

/** A run that was killed could not clean up: its server and directory go with the next run. */
async function removeAbandoned(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    if (!name.startsWith(directoryPrefix)) continue;
    const directory = join(tmpdir(), name);
    const owner = Number.parseInt(await readFile(join(directory, "owner.pid"), "utf8").catch(() => ""), 10);
    // No owner yet: another run is making it at this moment.
    if (!Number.isInteger(owner) || processExists(owner)) continue;
    // Another run may be removing the same left-over.
    await releaseDataDirectory(directory).catch(() => undefined);
    await rm(directory, { recursive: true, force: true }).catch(() => undefined);
  }
}

function processExists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}
