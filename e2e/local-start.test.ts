import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { freePorts, isPortTaken } from "../deploy/local/free-ports.ts";
import { portNames } from "../deploy/local/ports.ts";
import { createThrowawayDatabase, type ThrowawayDatabase } from "../deploy/local/throwaway-database.ts";
import { demoWorld, repositoryRoot } from "../deploy/local/world.ts";
import { call } from "./harness/call.ts";

const startTimeoutMs = 90_000;
let directory: string;
let database: ThrowawayDatabase;
let ports: Record<string, number>;
const started: Started[] = [];

// For each try anew: a start that failed halfway leaves a world behind.
beforeEach(async () => {
  database = await createThrowawayDatabase(process.env["PAYMESH_TEST_DATABASE_URL"] ?? "");
  directory = await mkdtemp(path.join(tmpdir(), "paymesh-start-"));
  const free = await freePorts(portNames.length);
  ports = Object.fromEntries(portNames.map((port, index) => [port, free[index] ?? 0]));
});

afterEach(async () => {
  for (const { child, ended } of started.splice(0)) {
    child.kill("SIGTERM");
    await ended;
  }
  await database.drop();
  await rm(directory, { recursive: true, force: true });
});

interface Started {
  readonly child: ChildProcess;
  readonly ended: Promise<number | null>;
  output(): string;
}

async function start(...args: string[]): Promise<Started> {
  const portArguments = Object.entries(ports).flatMap(([port, number]) => ["--port", `${port}=${number}`]);
  const main = path.join(repositoryRoot, "deploy/local/main.ts");
  const child = spawn(process.execPath, [main, "--directory", directory, ...portArguments, ...args], {
    env: { ...process.env, DATABASE_URL: database.url },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  const world = { child, ended, output: () => output };
  started.push(world);
  await new Promise<void>((resolve, reject) => {
    const add = (chunk: Buffer): void => {
      output += chunk.toString();
      if (output.includes("Ctrl-C stops everything")) resolve();
    };
    child.stdout.on("data", add);
    child.stderr.on("data", add);
    child.once("close", () => reject(new Error(`ended before it was ready:\n${output}`)));
  });
  return world;
}

async function listMerchants(): Promise<Record<string, unknown>[]> {
  const answer = await call("GET", `http://127.0.0.1:${ports["gateway"]}/api/v1/registry/merchants`, {
    headers: { "x-admin-key": demoWorld.operatorKey },
  });
  expect(answer.status).toBe(200);
  return answer.body["merchants"] as Record<string, unknown>[];
}

/** An operator's command, as `npm run keys` and `npm run audit` run it. */
async function operate(...args: string[]): Promise<{ code: number | null; output: string }> {
  const operator = path.join(repositoryRoot, "deploy/local/operate.ts");
  const { DATABASE_URL: _, ...env } = process.env;
  const child = spawn(process.execPath, [operator, ...args, "--directory", directory], { env });
  let output = "";
  const add = (chunk: Buffer): void => {
    output += chunk.toString();
  };
  child.stdout.on("data", add);
  child.stderr.on("data", add);
  return await new Promise((resolve) => child.once("close", (code) => resolve({ code, output })));
}

/** `npm run audit -- export` with a reader that has gone away, as `head` does. */
async function exportToNobody(): Promise<{ code: number | null; errors: string }> {
  const operator = path.join(repositoryRoot, "deploy/local/operate.ts");
  const { DATABASE_URL: _, ...env } = process.env;
  const child = spawn(process.execPath, [operator, "audit", "export", "--directory", directory], { env });
  child.stdout.destroy();
  let errors = "";
  child.stderr.on("data", (chunk: Buffer) => {
    errors += chunk.toString();
  });
  return await new Promise((resolve) => child.once("close", (code) => resolve({ code, errors })));
}

async function expectNothingLeft(): Promise<void> {
  const taken = await Promise.all(Object.values(ports).map((port) => isPortTaken("127.0.0.1", port)));
  expect(portNames.filter((_, index) => taken[index])).toEqual([]);
  expect(existsSync(path.join(directory, "run.json"))).toBe(false);
}

it(
  "starts the world, ends all of it on Ctrl-C, and has the same data on the next start",
  async () => {
    const first = await start();
    expect(first.output()).toContain(`http://127.0.0.1:${ports["shop"]}`);
    expect(readdirSync(path.join(directory, "logs"))).toEqual(expect.arrayContaining(["gateway.log", "router.log"]));
    const merchants = await listMerchants();
    expect(merchants).toHaveLength(1);
    // A start that is killed outright cannot clean up; the next one does.
    first.child.kill("SIGKILL");
    await first.ended;

    const second = await start();
    const [before] = merchants;
    const [after] = await listMerchants();
    expect({ createdAt: after?.["createdAt"], keys: after?.["keys"] }).toEqual({
      createdAt: before?.["createdAt"],
      keys: before?.["keys"],
    });
    expect(await operate("keys", "rotate")).toMatchObject({ code: 0, output: expect.stringContaining("version 2") });
    expect(await operate("keys", "retire", "1")).toMatchObject({ code: 0 });
    expect((await operate("keys", "status")).output).toMatch(/version 1: retired.*\nversion 2: current/);
    expect(await operate("audit", "verify")).toMatchObject({ code: 0, output: expect.stringContaining("0 problems") });
    expect(await exportToNobody()).toEqual({ code: 141, errors: "" });
    const erased = await call("DELETE", `http://127.0.0.1:${ports["gateway"]}/api/connectors/users/nobody`, {
      headers: { "x-admin-key": demoWorld.operatorKey },
    });
    expect(erased).toMatchObject({ status: 200, body: { status: "completed", connections: 0 } });
    second.child.kill("SIGINT");
    expect(await second.ended).toBe(0);
    await expectNothingLeft();
  },
  3 * startTimeoutMs,
);
