import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

/** A mesh of this directory is running already; the message is one line for a person. */
export class AlreadyRunningError extends Error {}

interface RecordedProcess {
  readonly pid: number;
  /** When the kernel started it: a number that was given to another process since differs. */
  readonly startedAt: string;
}

interface RunRecord {
  readonly owner: RecordedProcess;
  readonly processes: readonly RecordedProcess[];
}

const goneWaitMs = 3_000;
const pollMs = 25;

/** Writes down which processes belong to this one, for a start after it was killed. */
export function recordProcesses(file: string, pids: readonly number[]): void {
  const record: RunRecord = { owner: identify(process.pid), processes: pids.map(identify) };
  const partial = `${file}.partial`;
  writeFileSync(partial, JSON.stringify(record), { mode: 0o600 });
  renameSync(partial, file);
}

/**
 * Ends what a killed start left running in this directory. Throws AlreadyRunningError when that start is alive. Does nothing
 * on systems without /proc.
 */
export async function endLeftOvers(file: string): Promise<void> {
  if (!existsSync(file)) return;
  const record = JSON.parse(readFileSync(file, "utf8")) as RunRecord; // written by recordProcesses alone
  if (record.owner.pid !== process.pid && isAlive(record.owner)) {
    throw new AlreadyRunningError(`paymesh runs already, as process ${record.owner.pid}: stop that one first`);
  }
  const alive = record.processes.filter(isAlive);
  for (const { pid } of alive) process.kill(pid, "SIGKILL");
  const until = Date.now() + goneWaitMs;
  while (alive.some(isAlive) && Date.now() < until) await sleep(pollMs);
  rmSync(file, { force: true });
}

function identify(pid: number): RecordedProcess {
  return { pid, startedAt: startTimeOf(pid) ?? "" };
}

function isAlive(recorded: RecordedProcess): boolean {
  return recorded.startedAt !== "" && startTimeOf(recorded.pid) === recorded.startedAt;
}

/** Field 22 of /proc/<pid>/stat; undefined for a process that is gone or a zombie. */
function startTimeOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The name in parentheses may hold spaces and parentheses; state and times come after the last one.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" ? undefined : fields[19];
  } catch {
    return undefined;
  }
}
