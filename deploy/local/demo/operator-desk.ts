import { spawn } from "node:child_process";
import path from "node:path";
import { repositoryRoot } from "../world.ts";
import { type Narrator, Surprise } from "./narrator.ts";

const operateFile = path.join(repositoryRoot, "deploy/local/operate.ts");
const timeoutMs = 60_000;

/** Runs an operator's command, such as `keys rotate`, and tells what it printed; a Surprise when it fails. */
export async function operate(narrator: Narrator, directory: string, args: readonly string[]): Promise<string> {
  // The local world in that directory is meant, whatever installation the caller's environment names.
  const { DATABASE_URL: _, ...env } = process.env;
  const child = spawn(process.execPath, [operateFile, ...args, "--directory", directory], {
    env,
    signal: AbortSignal.timeout(timeoutMs),
  });
  let output = "";
  const add = (chunk: Buffer): void => {
    output += chunk.toString();
  };
  child.stdout.on("data", add);
  child.stderr.on("data", add);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  const [name, ...rest] = args;
  narrator.exchange("RUN", `npm run ${name} -- ${rest.join(" ")}`, output.trim().replaceAll("\n", " | "));
  if (code !== 0) throw new Surprise(`${args.join(" ")} to end with 0`, `${code}: ${output.slice(-300)}`);
  return output;
}
