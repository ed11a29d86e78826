import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { inheritedEnvironment } from "../../services/platform/testing/inherited-environment.ts";
import { freePorts } from "./free-ports.ts";
import { type PortName, portNames } from "./ports.ts";
import { repositoryRoot } from "./world.ts";

let directory: string;
let ports: Record<string, number>;

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), "paymesh-start-"));
  const free = await freePorts(portNames.length);
  ports = Object.fromEntries(portNames.map((name, index) => [name, free[index] ?? 0]));
});

afterAll(() => rm(directory, { recursive: true, force: true }));

interface Ended {
  readonly code: number | null;
  readonly output: string;
  readonly errors: string;
}

function start(args: readonly string[], env: Record<string, string> = {}): Promise<Ended> {
  const portArguments = Object.entries(ports).flatMap(([name, port]) => ["--port", `${name}=${port}`]);
  const child = spawn(
    process.execPath,
    [path.join(repositoryRoot, "deploy/local/main.ts"), "--directory", directory, ...portArguments, ...args],
    {
      env: { ...inheritedEnvironment, HOME: directory, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    },
  );
  let output = "";
  let errors = "";
  child.stdout.on("data", (chunk: Buffer) => {
    output += chunk.toString();
  });
  child.stderr.on("data", (chunk: Buffer) => {
    errors += chunk.toString();
  });
  return new Promise((resolve) => child.once("close", (code) => resolve({ code, output, errors })));
}

function listen(name: PortName): Promise<Server> {
  const server = createServer();
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host: "127.0.0.1", port: ports[name] }, () => resolve(server));
  });
}

it("names each busy port, what it is for and what to do, and starts nothing", async () => {
  const servers = [await listen("shop"), await listen("gateway")];
  try {
    const ended = await start([]);
    expect(ended.code).toBe(1);
    expect(ended.errors.trim().split("\n")).toEqual([
      `port ${ports["gateway"]}, meant for gateway, is in use: stop the program that has it, or choose another with --port gateway=<number>`,
      `port ${ports["shop"]}, meant for shop, is in use: stop the program that has it, or choose another with --port shop=<number>`,
    ]);
    expect(existsSync(path.join(directory, "secrets.json"))).toBe(false);
  } finally {
    for (const server of servers) server.close();
  }
});

it("says in one line why a DATABASE_URL cannot be used, without its password", async () => {
  for (const url of [
    "postgres://someone:hunter2@127.0.0.1:1/none",
    "mysql://someone:hunter2@127.0.0.1/none",
    "no url",
  ]) {
    const ended = await start([], { DATABASE_URL: url });
    expect(ended.code, url).toBe(1);
    expect(ended.errors.trim().split("\n"), url).toHaveLength(1);
    expect(ended.errors, url).toMatch(/^DATABASE_URL/);
    expect(ended.errors, url).not.toContain("hunter2");
  }
});

it("says in one line that secrets are damaged, and after a reset that ENVOY_BIN does not work", async () => {
  const env = { DATABASE_URL: process.env["PAYMESH_TEST_DATABASE_URL"] ?? "", ENVOY_BIN: "/nowhere/envoy" };
  const secrets = path.join(directory, "secrets.json");
  await writeFile(secrets, '{ "router.database-password": 1 }');
  expect(await start([], env)).toMatchObject({ code: 1, errors: `${secrets} is damaged: start with --reset\n` });
  const ended = await start(["--reset"], env);
  expect(ended).toMatchObject({ code: 1, errors: "ENVOY_BIN=/nowhere/envoy is not an Envoy that runs here\n" });
});

it("refuses unknown options and ports with what there is", async () => {
  const unknown = await start(["--port", "nothing=1"]);
  expect(unknown.code).toBe(1);
  expect(unknown.errors).toContain("--port nothing=1: no such port; there are gateway, oidc");
  const odd = await start(["--fast"]);
  expect(odd.code).toBe(1);
  expect(odd.errors).toContain("--reset");
});
