import { fileURLToPath } from "node:url";
import { runCommand } from "./run-command.ts";

// `npm run test:schedules`: ten thousand random schedules of the refresh engine, some twenty minutes on two cores. SCHEDULES changes how
// many, SCHEDULE_SEED where they begin: a failure names the seed that repeats it.
const vitest = fileURLToPath(new URL("../node_modules/.bin/vitest", import.meta.url));
process.env["SCHEDULES"] ??= "10000";
process.exitCode = await runCommand(vitest, ["run", "services/credential/testing/schedules"]);
