import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { endLeftOvers, recordProcesses } from "./left-overs.ts";
import { type ProcessPlan, ProcessStartError, spawnProcess, startProcess } from "./managed-process.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), "paymesh-process-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

function plan(name: string, script: string, change: Partial<ProcessPlan> = {}): ProcessPlan {
  return {
    name,
    command: process.execPath,
    args: ["-e", script],
    env: {},
    cwd: directory,
    logFile: path.join(directory, "logs", `${name}.log`),
    isReady: async () => existsSync(path.join(directory, `${name}.ready`)),
    readyTimeoutMs: 10_000,
    ...change,
  };
}

const stay = (name: string) =>
  `console.log("up"); require("node:fs").writeFileSync("${name}.ready", ""); setInterval(() => {}, 1000);`;

function isAlive(pid: number | undefined): boolean {
  try {
    process.kill(pid ?? 0, 0);
    return true;
  } catch {
    return false;
  }
}

it("is ready when the program says so, keeps its output, and ends it when asked", async () => {
  const managed = await startProcess(plan("good", stay("good")));
  expect(readFileSync(managed.plan.logFile, "utf8")).toBe("up\n");
  expect(managed.exit()).toBeUndefined();
  await managed.stop(5_000);
  expect(managed.exit()).toEqual({ code: null, signal: "SIGTERM" });
  expect(managed.wasStopped()).toBe(true);
});

it("kills a program that ignores SIGTERM after its grace", async () => {
  const managed = await startProcess(plan("deaf", `process.on("SIGTERM", () => {}); ${stay("deaf")}`));
  await managed.stop(100);
  expect(managed.exit()).toEqual({ code: null, signal: "SIGKILL" });
});

it("tells what a program that ended at once wrote last", async () => {
  const started = startProcess(plan("bad", 'console.error("no database"); process.exit(3)'));
  await expect(started).rejects.toThrow(ProcessStartError);
  await expect(started).rejects.toThrow(/bad ended with 3 before it was ready\.[\s\S]*no database/);
});

it("leaves nothing running when a program never becomes ready, or cannot be run", async () => {
  const script = `require("node:fs").writeFileSync("slow.pid", String(process.pid)); setInterval(() => {}, 1000);`;
  await expect(startProcess(plan("slow", script, { readyTimeoutMs: 600 }))).rejects.toThrow(
    "was not ready after 0.6 s",
  );
  const pid = Number(readFileSync(path.join(directory, "slow.pid"), "utf8"));
  expect(isAlive(pid)).toBe(false);
  await expect(startProcess(plan("none", "", { command: "/nowhere/program" }))).rejects.toThrow(ProcessStartError);
});

it("ends the processes that a killed start left behind, and no others", async () => {
  const file = path.join(directory, "run.json");
  const left = spawnProcess(plan("left", stay("left")));
  const other = spawnProcess(plan("other", stay("other")));
  recordProcesses(file, [left.pid ?? 0]);
  await endLeftOvers(file);
  await left.kill("SIGKILL");
  expect(left.exit()).toEqual({ code: null, signal: "SIGKILL" });
  expect(other.exit()).toBeUndefined();
  expect(existsSync(file)).toBe(false);
  await other.kill("SIGKILL");
});
