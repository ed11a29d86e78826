import { fileURLToPath } from "node:url";
import { runChecks } from "./check.ts";
import { runCommand } from "./run-command.ts";

// `npm test`: every check, then every test. `npm test -- services/router` runs the tests named, without the checks.
const names = process.argv.slice(2);
const vitest = fileURLToPath(new URL("../node_modules/.bin/vitest", import.meta.url));
const checked = names.length > 0 || (await runChecks());
const tested = (await runCommand(vitest, ["run", ...names])) === 0;
process.exitCode = checked && tested ? 0 : 1;
