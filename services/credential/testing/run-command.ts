import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { inheritedEnvironment } from "../../platform/testing/inherited-environment.ts";

const mainFile = fileURLToPath(new URL("../commands/main.ts", import.meta.url));

/** An operator's command as a process of its own. */
export interface RunningCommand {
  /** Everything it wrote so far, standard error included. */
  output(): string;
  /** Resolves once the output matches; rejects when the process ends without. */
  until(pattern: RegExp): Promise<void>;
  /** Ends it as a crash does, and waits until it is gone. */
  crash(): Promise<void>;
  readonly exit: Promise<{ readonly code: number | null; readonly output: string }>;
}

/** Starts `commands/main.ts` with nothing but this environment. */
export function runCommand(args: readonly string[], env: Readonly<Record<string, string>>): RunningCommand {
  const child = spawn(process.execPath, [mainFile, ...args], {
    env: { ...inheritedEnvironment, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  const collect = (chunk: unknown): void => {
    output += String(chunk);
  };
  child.stdout.on("data", collect);
  child.stderr.on("data", collect);
  const exit = once(child, "close").then(([code]) => ({ code: code as number | null, output })); // as node documents it
  return {
    output: () => output,
    until: (pattern) => matching(child, exit, () => pattern.test(output)),
    crash: async () => {
      child.kill("SIGKILL");
      await exit;
    },
    exit,
  };
}

async function matching(child: ChildProcess, exit: Promise<{ output: string }>, matches: () => boolean): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const look = (): void => {
    if (matches()) resolve();
  };
  child.stdout?.on("data", look);
  child.stderr?.on("data", look);
  look();
  const ended = exit.then(({ output }) => {
    if (!matches()) throw new Error(`the command ended first: ${output}`);
  });
  await Promise.race([promise, ended]);
}
