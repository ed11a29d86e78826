import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { type AddressInfo, createServer as createTcpServer } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Agent, request } from "undici";
import { afterEach, expect, it, vi } from "vitest";
import { Registry } from "../../gen/es/paymesh/registry/v1/registry_pb.js";
import { createRpcClient } from "../platform/rpc/client.ts";
import { keyedHash } from "../platform/secrets/keyed-hash.ts";
import { inheritedEnvironment } from "../platform/testing/inherited-environment.ts";
import { setUp } from "../platform/testing/set-up.ts";
import { loadMeshTls } from "../platform/tls/load-mesh-tls.ts";
import { createRegistryWorld, type RegistryWorld, testPepper, withKey } from "./testing/registry-world.ts";

// Whole processes start here, on machines that may be busy with other tests.
vi.setConfig({ testTimeout: 60_000 });

const operatorKey = "an-operator-key-for-the-process-tests-0123";
const mainFile = fileURLToPath(new URL("./main.ts", import.meta.url));

let world: RegistryWorld;
let bank: Server;
let process_: ChildProcess | undefined;

setUp(async () => {
  world = await createRegistryWorld();
  bank = createServer((_request, response) => response.end("{}")).listen(0, "127.0.0.1");
  await once(bank, "listening");
  return async () => {
    bank.closeAllConnections();
    bank.close();
    await world.close();
  };
});
afterEach(() => process_?.kill("SIGKILL"));

async function freePort(): Promise<number> {
  const server = createTcpServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

async function start(change: Record<string, string> = {}) {
  const ports = { grpc: await freePort(), http: await freePort(), admin: await freePort() };
  const file = (name: string) => join(world.certificates, name);
  const child = spawn(process.execPath, [mainFile], {
    env: {
      ...inheritedEnvironment,
      PAYMESH_ENV: "local",
      GRPC_PORT: String(ports.grpc),
      HTTP_PORT: String(ports.http),
      ADMIN_PORT: String(ports.admin),
      DATABASE_URL: world.database.url,
      TLS_CERT_FILE: file("registry.pem"),
      TLS_KEY_FILE: file("registry.key"),
      TLS_CA_FILE: file("ca.pem"),
      API_KEY_PEPPER: testPepper,
      OPERATOR_KEYS: `tester:${operatorKey}`,
      REGISTRY_ENCRYPTION_KEY: "registry-encryption-key-of-the-tests-01234",
      ...change,
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  process_ = child;
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => (output += String(data)));
  const exited = once(child, "exit").then(([code]) => code as number | null);
  return { child, ports, exited, output: () => output };
}

async function isReady(port: number): Promise<boolean> {
  return fetch(`http://127.0.0.1:${port}/health/ready`).then(
    (response) => response.ok,
    () => false,
  );
}

function tlsOf(service: "gateway" | "router") {
  return loadMeshTls({
    certFile: join(world.certificates, `${service}.pem`),
    keyFile: join(world.certificates, `${service}.key`),
    caFile: join(world.certificates, "ca.pem"),
  });
}

async function clientFor(service: "gateway" | "router", port: number) {
  const tls = await tlsOf(service);
  return createRpcClient(Registry, { address: `127.0.0.1:${port}`, serverName: "registry", tls });
}

/** The Connect protocol on the HTTP port, as the gateway forwards it. */
async function listOverConnect(port: number): Promise<{ status: number; banks: unknown }> {
  const agent = new Agent({ connect: await tlsOf("gateway") });
  const { statusCode, body } = await request(`https://127.0.0.1:${port}/paymesh.registry.v1.Registry/ListBanks`, {
    dispatcher: agent,
    method: "POST",
    headers: { "content-type": "application/json", "x-api-key": operatorKey },
    body: "{}",
  });
  const answer = (await body.json()) as { banks?: unknown };
  await agent.close();
  return { status: statusCode, banks: answer.banks };
}

it("takes a registration, probes the bank at once, tells followers, and ends cleanly on SIGTERM with a follower connected", async () => {
  const { child, ports, exited, output } = await start();
  await expect.poll(() => isReady(ports.admin), { timeout: 30_000, interval: 100 }).toBe(true);
  const gateway = await clientFor("gateway", ports.grpc);
  const { key } = await gateway.createBankKey({ id: "north-bank" }, { headers: { "x-admin-key": operatorKey } });
  const health: string[] = [];
  const router = await clientFor("router", ports.grpc);
  const following = (async () => {
    for await (const { event } of router.watchRegistry({})) {
      if (event.case === "bank") health.push(event.value.bank?.health ?? "");
    }
  })().catch(() => undefined);
  const origin = `http://127.0.0.1:${(bank.address() as AddressInfo).port}`;
  const facts = { name: "North Bank", apiBaseUrl: origin, authServerUrl: `${origin}/oidc`, apiKey: "bank-api-key-1" };
  await gateway.registerBank({ bsimId: "north-bank", ...facts }, withKey(key));
  await expect.poll(() => health, { interval: 20 }).toEqual(["unknown", "healthy"]);
  expect(await listOverConnect(ports.http)).toMatchObject({ status: 200, banks: [{ bsimId: "north-bank" }] });
  child.kill("SIGTERM");
  expect(await exited).toBe(0);
  await following;
  gateway.close();
  router.close();
  for (const secret of [key, operatorKey, "bank-api-key-1", testPepper]) expect(output()).not.toContain(secret);
});

it("refuses to start in production over a stored demo key, without repeating it", async () => {
  const db = world.database.open<never>();
  const insert =
    "insert into access_keys (key_id, kind, owner_id, hash, created_at) values (gen_random_uuid(), 'merchant', 'm', $1, now())";
  await db.pool.query(insert, [keyedHash(testPepper, "demo-merchant-key")]);
  const { exited, output } = await start({ PAYMESH_ENV: "production" });
  expect(await exited).toBe(2);
  expect(output()).toContain("a key with a published demo value");
  expect(output()).not.toContain("demo-merchant-key");
  await db.pool.query("update access_keys set revoked_at = now()");
});

it("refuses to start in production when a bank is called with a demo key", async () => {
  const db = world.database.open<never>();
  const replica = await world.startReplica();
  await replica.deps.banks.save("demo-bank", () => ({
    facts: {
      name: "Demo",
      apiBaseUrl: "https://bank.example.com",
      authServerUrl: "https://bank.example.com",
      openBankingUrl: undefined,
      cardTypes: [],
      binRanges: [],
      walletEnrollmentSupported: true,
      logoUrl: undefined,
      capabilities: [],
    },
    standing: { status: "active", heldByOperator: false },
    apiKey: "demo-merchant-key",
  }));
  const { exited, output } = await start({ PAYMESH_ENV: "production" });
  expect(await exited).toBe(2);
  expect(output()).toContain("bank demo-bank is called with a published demo key");
  await db.pool.query("update banks set api_key_sealed = null");
});

it("names every missing or published setting at once, and no value", async () => {
  const { exited, output } = await start({
    PAYMESH_ENV: "production",
    OPERATOR_KEYS: "tester:demo-operator-key",
    API_KEY_PEPPER: "",
    REGISTRY_ENCRYPTION_KEY: "short",
  });
  expect(await exited).toBe(2);
  for (const name of ["OPERATOR_KEYS", "API_KEY_PEPPER", "REGISTRY_ENCRYPTION_KEY"]) expect(output()).toContain(name);
  expect(output()).not.toContain("demo-operator-key");
});
