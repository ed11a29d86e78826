import { fileURLToPath } from "node:url";
import { runCommand } from "./run-command.ts";

// `npm run test:schedules`: ten thousand random schedules of the refresh engine, some twelve minutes on two idle cores. SCHEDULES changes
// how many, SCHEDULE_SEED where they begin: a failure names the seed that repeats it.

/** Workers that die in a schedule are never freed, so a process runs so many and makes place for the next. */
const perProcess = 1_000;
const vitest = fileURLToPath(new URL("../node_modules/.bin/vitest", import.meta.url));
if (process.argv.length > 2) end("This takes no words, only SCHEDULES and SCHEDULE_SEED from the environment.");
const total = readCount("SCHEDULES", 10_000);
const firstSeed = readCount("SCHEDULE_SEED", Date.now() % 1_000_000_000);

let begun = 0;

/** Runs one process after the other until all schedules are run or some have failed. */
async function runProcesses(): Promise<void> {
  while (begun < total && !process.exitCode) {
    const count = Math.min(perProcess, total - begun);
    const env = { ...process.env, SCHEDULES: String(count), SCHEDULE_SEED: String(firstSeed + begun) };
    begun += count;
    const code = await runCommand(vitest, ["run", "services/credential/testing/schedules"], env);
    if (code !== 0) process.exitCode = code;
  }
}

function readCount(name: string, otherwise: number): number {
  const text = process.env[name];
  if (text === undefined) return otherwise;
  return /^\d{1,9}$/.test(text) ? Number.parseInt(text, 10) : end(`${name} is a whole number, such as 1000.`);
}

function end(why: string): never {
  process.stderr.write(`${why}\n`);
  process.exit(2);
}

// A database server and a core for each.
await Promise.all([runProcesses(), runProcesses()]);
