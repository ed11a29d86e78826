import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import pg from "pg";
import { afterEach, expect, it } from "vitest";
import { setUp } from "../../services/platform/testing/set-up.ts";
import { type EmbeddedPostgres, releaseDataDirectory, startEmbeddedPostgres } from "./postgres.ts";
import { isAlive } from "./postgres-process.ts";

const run = promisify(execFile);
let dataDirectory: string;
let running: EmbeddedPostgres | undefined;

setUp(async () => {
  dataDirectory = await mkdtemp(join(tmpdir(), "paymesh-embedded-"));
  return () => rm(dataDirectory, { recursive: true, force: true });
});
afterEach(async () => {
  await running?.stop();
  running = undefined;
});

async function start(port = 0): Promise<EmbeddedPostgres> {
  running = await startEmbeddedPostgres({ dataDirectory, port, durable: false });
  return running;
}

async function query(server: EmbeddedPostgres, text: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: server.url });
  await client.connect();
  const { rows } = await client.query(text).finally(() => client.end());
  return rows;
}

it("keeps the data and the password between starts and stops cleanly", async () => {
  const first = await start();
  await query(first, "create table kept (id int)");
  await first.stop();
  expect(await isAlive(first.pid)).toBe(false);
  await expect(stat(join(dataDirectory, "cluster", "postmaster.pid"))).rejects.toThrow();
  const second = await start();
  expect(await query(second, "select count(*)::int as n from kept")).toEqual([{ n: 0 }]);
  expect(new URL(second.url).password).toBe(new URL(first.url).password);
  expect((await stat(join(dataDirectory, "superuser-password"))).mode & 0o777).toBe(0o600);
  await second.stop();
  expect(await readFile(join(dataDirectory, "server.log"), "utf8")).toContain("database system was shut down at");
});

it("lets nobody in without the password", async () => {
  const server = await start();
  const url = new URL(server.url);
  url.password = "guess";
  const client = new pg.Client({ connectionString: url.href });
  await expect(client.connect()).rejects.toThrow("password authentication failed");
});

it("says in one line that the port is taken", async () => {
  const other = createServer().listen(0, "127.0.0.1");
  await once(other, "listening");
  const address = other.address();
  const port = typeof address === "object" && address ? address.port : 0;
  const message = `port ${port} of 127.0.0.1, meant for PostgreSQL, is taken: stop what uses it or choose another`;
  await expect(start(port)).rejects.toThrow(message);
  other.close();
});

it("starts after its pid file was left behind and names an unrelated living process", async () => {
  await (await start()).stop();
  const bystander = spawn("sleep", ["30"]);
  const pidFile = join(dataDirectory, "cluster", "postmaster.pid");
  await writeFile(pidFile, `${bystander.pid}\n${join(dataDirectory, "cluster")}\n0\n1\n\n127.0.0.1\n`);
  await start();
  expect(bystander.exitCode).toBe(null);
  bystander.kill();
});

it("takes over from a starter that was killed, and keeps what was committed", async () => {
  const script = `const { startEmbeddedPostgres } = await import(${JSON.stringify(new URL("./postgres.ts", import.meta.url).href)});
    const server = await startEmbeddedPostgres({ dataDirectory: ${JSON.stringify(dataDirectory)}, port: 0, durable: true });
    console.log(JSON.stringify({ pid: server.pid, url: server.url }));
    setInterval(() => undefined, 1000);`;
  const starter = spawn(process.execPath, ["--input-type=module", "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [line] = await once(starter.stdout, "data");
  const orphan = JSON.parse(String(line)) as EmbeddedPostgres;
  await query(orphan, "create table survives (id int)");
  await expect(start()).rejects.toThrow(`is in use by process ${starter.pid}`);
  starter.kill("SIGKILL");
  await once(starter, "exit");
  expect(await isAlive(orphan.pid)).toBe(true);
  const server = await start();
  expect(await isAlive(orphan.pid)).toBe(false);
  expect(await query(server, "select count(*)::int as n from survives")).toEqual([{ n: 0 }]);
});

it("recovers after the server itself was killed", async () => {
  const first = await start();
  await query(first, "create table recovered (id int)");
  await query(first, "checkpoint");
  process.kill(first.pid, "SIGKILL");
  await first.ended;
  expect(await query(await start(), "select count(*)::int as n from recovered")).toEqual([{ n: 0 }]);
});

it("begins again when the first start was cut short while making the cluster", async () => {
  const directory = await mkdtemp(join(tmpdir(), "paymesh-embedded-"));
  await mkdir(join(directory, "cluster.partial"));
  await writeFile(join(directory, "cluster.partial", "PG_VERSION"), "18\n");
  const server = await startEmbeddedPostgres({ dataDirectory: directory, port: 0, durable: false });
  await server.stop();
  await rm(directory, { recursive: true });
});

it("refuses a cluster of another major version with a line that says what to do", async () => {
  const directory = await mkdtemp(join(tmpdir(), "paymesh-embedded-"));
  await mkdir(join(directory, "cluster"));
  await writeFile(join(directory, "cluster", "PG_VERSION"), "12\n");
  const attempt = startEmbeddedPostgres({ dataDirectory: directory, port: 0, durable: false });
  await expect(attempt).rejects.toThrow(/was made by PostgreSQL 12, this is 18: `npm start -- --reset` begins anew/);
  await rm(directory, { recursive: true });
});

it("says in one line why a server that ends at once did", async () => {
  const directory = await mkdtemp(join(tmpdir(), "paymesh-embedded-"));
  const options = { dataDirectory: directory, port: 0, durable: false };
  await (await startEmbeddedPostgres(options)).stop();
  await writeFile(join(directory, "cluster", "postgresql.conf"), "no_such_setting = on\n");
  await expect(startEmbeddedPostgres(options)).rejects.toThrow(/PostgreSQL ended at once: .*no_such_setting|FATAL/);
  await rm(directory, { recursive: true });
});

it.skipIf(process.getuid?.() !== 0)("says in one line that root's own folders cannot hold the database", async () => {
  const closed = await mkdtemp(join(tmpdir(), "paymesh-closed-"));
  await run("chmod", ["700", closed]);
  const attempt = startEmbeddedPostgres({ dataDirectory: join(closed, "data"), port: 0, durable: false });
  await expect(attempt).rejects.toThrow(/cannot hold the database: choose a place the user "postgres" may enter/);
  await rm(closed, { recursive: true });
});

it("releases a directory that was never used", async () => {
  await expect(releaseDataDirectory("/nowhere/at/all")).resolves.toBeUndefined();
});
