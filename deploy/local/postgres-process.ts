import { readFile, readlink, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { EmbeddedPostgresError } from "./embedded-postgres-error.ts";

const pollMs = 50;
const stopWaitMs = 30_000;

/** Whether a process with this id exists, a zombie excepted. */
export async function isAlive(pid: number): Promise<boolean> {
  const status = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => undefined);
  return status !== undefined && !/\) Z /.test(status);
}

/**
 * Waits until a process has ended.
 * @returns false when it still runs after `timeoutMs`.
 */
export async function hasEnded(pid: number, timeoutMs: number): Promise<boolean> {
  const until = performance.now() + timeoutMs;
  while (await isAlive(pid)) {
    if (performance.now() > until) return false;
    await delay(pollMs);
  }
  return true;
}

/**
 * Clears what an earlier start left in a cluster's directory: a server whose owner died is shut down, a pid file that
 * names no server of this directory is removed (PostgreSQL itself refuses to start when the pid was given to another
 * process since).
 * @throws EmbeddedPostgresError when the server's owner still lives: the directory is in use.
 */
export async function clearEarlierServer(cluster: string, ownerFile: string): Promise<void> {
  const pidFile = join(cluster, "postmaster.pid");
  const pid = await readPid(pidFile);
  if (pid === undefined) return;
  if (!(await isServerOf(pid, cluster))) {
    await rm(pidFile, { force: true });
    return;
  }
  const owner = await readPid(ownerFile);
  if (owner !== undefined && owner !== process.pid && (await isAlive(owner))) {
    throw new EmbeddedPostgresError(`the database in ${cluster} is in use by process ${owner}: stop that one first`);
  }
  await stopServer(pid);
}

/** Fast shutdown: sessions end, everything committed is written. After 30 s an immediate one, which recovers at the next start. */
export async function stopServer(pid: number): Promise<void> {
  signal(pid, "SIGINT");
  if (await hasEnded(pid, stopWaitMs)) return;
  signal(pid, "SIGQUIT");
  if (!(await hasEnded(pid, stopWaitMs))) throw new EmbeddedPostgresError(`PostgreSQL (process ${pid}) does not end`);
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    // It ended between the look and the signal.
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
  }
}

async function isServerOf(pid: number, cluster: string): Promise<boolean> {
  if (!(await isAlive(pid))) return false;
  const directory = await readlink(`/proc/${pid}/cwd`).catch(() => undefined);
  return directory === cluster;
}

async function readPid(file: string): Promise<number | undefined> {
  const text = await readFile(file, "utf8").catch(() => "");
  const pid = Number.parseInt(text.split("\n")[0] ?? "", 10);
  return Number.isInteger(pid) && pid > 1 ? pid : undefined;
}
