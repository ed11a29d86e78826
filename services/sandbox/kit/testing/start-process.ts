import { spawn } from "node:child_process";
import { once } from "node:events";
import { expect, vi } from "vitest";
import { inheritedEnvironment } from "../../../platform/testing/inherited-environment.ts";
import { freePort } from "./free-port.ts";
import { sandboxEnvironment } from "./start-in-test.ts";

/** A sandbox as a process of its own. */
export interface SandboxProcess {
  readonly origin: string;
  /** The exit code. */
  readonly exited: Promise<number | null>;
  /** Waits until it serves. */
  healthy(): Promise<void>;
  /** Everything it wrote, in the order it arrived. */
  output(): string;
  stop(): void;
  kill(): void;
}

/** Starts `main.ts` of a sandbox on a free port, with no environment but this. */
export async function startProcess(
  mainFile: string,
  databaseUrl: string,
  env: Readonly<Record<string, string>>,
): Promise<SandboxProcess> {
  const port = await freePort();
  const shared = sandboxEnvironment(databaseUrl, port);
  const child = spawn(process.execPath, [mainFile], {
    env: { ...inheritedEnvironment, ...shared, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => (output += String(data)));
  return {
    origin: shared.SANDBOX_ORIGIN,
    exited: once(child, "exit").then(([code]) => code as number | null), // a number unless it was killed
    healthy: async () => {
      const ask = async () => expect((await fetch(`${shared.SANDBOX_ORIGIN}/health`)).status).toBe(200);
      await vi.waitFor(ask, { timeout: 30_000, interval: 100 });
    },
    output: () => output,
    stop: () => child.kill("SIGTERM"),
    kill: () => child.kill("SIGKILL"),
  };
}
