import { spawn } from "node:child_process";

/** Runs a program with its output on ours; resolves to its exit code, 1 when a signal ended it. */
export function runCommand(
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ["ignore", "inherit", "inherit"], env });
    child.once("error", reject);
    child.once("exit", (code) => resolve(code ?? 1));
  });
}
