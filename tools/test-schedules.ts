import { fileURLToPath } from "node:url";
import { runCommand } from "./run-command.ts";

// `npm run test:schedules`: ten thousand random schedules of the refresh engine, some twenty minutes on two idle cores. SCHEDULES changes
// how many, SCHEDULE_SEED where they begin: a failure names the seed that repeats it.

/** Workers that die in a schedule are never freed, so a process runs so many and makes place for the next. */
const perProcess = 1_000;
const vitest = fileURLToPath(new URL("../node_modules/.bin/vitest", import.meta.url));
const total = Number.parseInt(process.env["SCHEDULES"] ?? "10000", 10);
const firstSeed = Number.parseInt(process.env["SCHEDULE_SEED"] ?? String(Date.now() % 1_000_000_000), 10);

for (let done = 0; done < total && !process.exitCode; done += perProcess) {
  process.env["SCHEDULES"] = String(Math.min(perProcess, total - done));
  process.env["SCHEDULE_SEED"] = String(firstSeed + done);
  process.exitCode = await runCommand(vitest, ["run", "services/credential/testing/schedules"]);
}
