import { spawn } from "node:child_process";
import path from "node:path";
import { parseArgs } from "node:util";
import { readOperatorEnvironment } from "./operator-environment.ts";
import { repositoryRoot } from "./world.ts";

// `npm run keys` and `npm run audit`: against the installation whose DATABASE_URL is set, else against the local world.

const commandFile = path.join(repositoryRoot, "services/credential/commands/main.ts");

function splitArguments(given: readonly string[]): { directory: string; args: string[] } {
  const { values, tokens } = parseArgs({
    args: [...given],
    options: { directory: { type: "string", default: path.join(repositoryRoot, ".local") } },
    strict: false,
    tokens: true,
  });
  const mine = tokens.find((token) => token.kind === "option" && token.name === "directory");
  const width = mine?.kind === "option" && mine.inlineValue === false ? 2 : 1;
  const args = mine === undefined ? [...given] : given.toSpliced(mine.index, width);
  return { directory: path.resolve(String(values["directory"])), args };
}

function environment(directory: string): NodeJS.ProcessEnv | undefined {
  if (process.env["DATABASE_URL"]) return process.env;
  const local = readOperatorEnvironment(directory);
  return local && { ...process.env, ...local };
}

const { directory, args } = splitArguments(process.argv.slice(2));
const env = environment(directory);
if (env === undefined) {
  process.stderr.write(
    "No paymesh was started here: npm start first, or set DATABASE_URL and the encryption keys of an installation.\n",
  );
  process.exitCode = 2;
} else {
  const child = spawn(process.execPath, [commandFile, ...args], { stdio: "inherit", env });
  child.once("exit", (code) => {
    process.exitCode = code ?? 1;
  });
}
