import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync } from "node:fs";
import { get } from "node:http";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** How to run one program of the local world. */
export interface ProcessPlan {
  /** Unique in the mesh: `router`, `north-bank`, `gateway`. */
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  /** Both output streams are appended here. */
  readonly logFile: string;
  /** Answers true once the program serves. Asked every 75 ms. */
  readonly isReady: () => Promise<boolean>;
  readonly readyTimeoutMs: number;
}

/** A program could not be started; the message ends with the last lines it wrote. */
export class ProcessStartError extends Error {}

/** A running program that is restarted only when told to. */
export interface ManagedProcess {
  readonly plan: ProcessPlan;
  readonly pid: number | undefined;
  /** Resolves when it serves. Rejects with ProcessStartError when it ends before, or stays unready. */
  ready(): Promise<void>;
  /** Undefined while it runs. */
  exit(): { code: number | null; signal: NodeJS.Signals | null } | undefined;
  /** True when it ended, or is about to, because `kill` or `stop` was called. */
  wasStopped(): boolean;
  /** Sends a signal and waits until the program is gone. */
  kill(signal: NodeJS.Signals): Promise<void>;
  /** SIGTERM, and SIGKILL when it is still there after `graceMs`. */
  stop(graceMs: number): Promise<void>;
}

const readyPollMs = 75;
const logTailBytes = 1_500;

/** Starts a program and waits until it is ready. Throws ProcessStartError when it ends or stays unready; nothing is left running then. */
export async function startProcess(plan: ProcessPlan): Promise<ManagedProcess> {
  const managed = spawnProcess(plan);
  try {
    await managed.ready();
  } catch (error) {
    await managed.kill("SIGKILL");
    throw error;
  }
  return managed;
}

/** Starts a program without waiting. Whoever starts it stops it, also when it never becomes ready. */
export function spawnProcess(plan: ProcessPlan): ManagedProcess {
  mkdirSync(path.dirname(plan.logFile), { recursive: true });
  const log = openSync(plan.logFile, "a", 0o600);
  const child = spawn(plan.command, plan.args, {
    cwd: plan.cwd,
    env: plan.env,
    stdio: ["ignore", log, log],
    // Its own group: Ctrl-C reaches the parent alone, which stops everything in order.
    detached: true,
  });
  closeSync(log);
  return manage(plan, child);
}

function manage(plan: ProcessPlan, child: ChildProcess): ManagedProcess {
  let gone: { code: number | null; signal: NodeJS.Signals | null } | undefined;
  let asked = false;
  let spawnError: Error | undefined;
  const ended = new Promise<void>((resolve) => {
    const finish = (code: number | null, signal: NodeJS.Signals | null): void => {
      gone ??= { code, signal };
      resolve();
    };
    child.once("exit", finish);
    child.once("error", (error) => {
      spawnError = error;
      finish(null, null);
    });
  });
  const kill = async (signal: NodeJS.Signals): Promise<void> => {
    asked = true;
    if (gone === undefined) child.kill(signal);
    await ended;
  };
  return {
    plan,
    get pid() {
      return child.pid;
    },
    ready: () => waitUntilReady(plan, () => ({ gone, spawnError })),
    exit: () => gone,
    wasStopped: () => asked,
    kill,
    async stop(graceMs) {
      asked = true;
      if (gone !== undefined) return;
      child.kill("SIGTERM");
      const timer = setTimeout(() => child.kill("SIGKILL"), graceMs);
      await ended;
      clearTimeout(timer);
    },
  };
}

interface ProcessState {
  readonly gone: ReturnType<ManagedProcess["exit"]>;
  readonly spawnError: Error | undefined;
}

async function waitUntilReady(plan: ProcessPlan, look: () => ProcessState): Promise<void> {
  const deadline = Date.now() + plan.readyTimeoutMs;
  while (Date.now() < deadline) {
    await sleep(readyPollMs);
    const { gone, spawnError } = look();
    if (spawnError !== undefined) throw new ProcessStartError(`${plan.name}: ${spawnError.message}`);
    if (gone !== undefined) throw startError(plan, `ended with ${gone.code ?? gone.signal} before it was ready`);
    if (await plan.isReady()) return;
  }
  throw startError(plan, `was not ready after ${plan.readyTimeoutMs / 1000} s`);
}

function startError(plan: ProcessPlan, what: string): ProcessStartError {
  return new ProcessStartError(`${plan.name} ${what}. ${plan.logFile} ends:\n${logTail(plan.logFile)}`);
}

function logTail(file: string): string {
  const text = readFileSync(file, "utf8");
  return text.slice(-logTailBytes).trim();
}

/** True when a GET of the address is answered 2xx within a second. By `node:http`: asked often, while all else starts. */
export function answersOk(url: string): Promise<boolean> {
  return new Promise((resolve) => {
    const sent = get(url, { agent: false, timeout: 1_000 }, (response) => {
      response.resume();
      const status = response.statusCode ?? 0;
      resolve(status >= 200 && status < 300);
    });
    sent.once("timeout", () => sent.destroy());
    sent.once("error", () => resolve(false));
    sent.once("close", () => resolve(false));
  });
}
