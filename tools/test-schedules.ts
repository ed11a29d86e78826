import { fileURLToPath } from "node:url";
import { runCommand } from "./run-command.ts";

// `npm run test:schedules`: ten thousand random schedules of the refresh engine, some twelve minutes on two idle cores. SCHEDULES changes
// how many, SCHEDULE_SEED where they begin: a failure names the seed that repeats it.

/** Workers that die in a schedule are never freed, so a process runs so many and makes place for the next. */
const perProcess = 1_000;
const vitest = fileURLToPath(new URL("../node_modules/.bin/vitest", import.meta.url));
const total = Number.parseInt(process.env["SCHEDULES"] ?? "10000", 10);
const firstSeed = Number.parseInt(process.env["SCHEDULE_SEED"] ?? String(Date.now() % 1_000_000_000), 10);

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

// A database server and a core for each.
await Promise.all([runProcesses(), runProcesses()]);
