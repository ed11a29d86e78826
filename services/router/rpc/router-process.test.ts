import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { Router } from "../../../gen/es/paymesh/router/v1/router_pb.js";
import { createRpcClient, type RpcClient } from "../../platform/rpc/client.ts";
import { keyedHash } from "../../platform/secrets/keyed-hash.ts";
import { eventually } from "../../platform/testing/eventually.ts";
import { inheritedEnvironment } from "../../platform/testing/inherited-environment.ts";
import { createTestDatabase, type TestDatabase } from "../../platform/testing/postgres.ts";
import { ensureAuthority } from "../../platform/tls/authority.ts";
import { loadMeshTls, type MeshTls } from "../../platform/tls/load-mesh-tls.ts";
import { RegistryStandIn } from "../clients/registry/registry-stand-in.ts";
import { makePendingDue, rowsOf } from "../storage/stored-rows.ts";
import { authorizeBody, migrations } from "../testing/router-under-test.ts";
import { ScriptableBank } from "../testing/scriptable-bank.ts";

const pepper = "a pepper for tests, thirty-two long.";
const headers = { "x-api-key": "key-of-merchant-1" };

let directory: string;
let database: TestDatabase;
let bank: ScriptableBank;
let registry: RegistryStandIn;
let registryPort = 0;
let gateway: MeshTls;
const running = new Set<RouterProcess>();

interface RouterProcess {
  readonly child: ChildProcess;
  readonly client: RpcClient<typeof Router>;
  readonly adminPort: number;
  readonly exited: Promise<number | null>;
  readonly output: () => string;
}

const tlsFiles = (service: string) => ({
  certFile: path.join(directory, `${service}.pem`),
  keyFile: path.join(directory, `${service}.key`),
  caFile: path.join(directory, "ca.pem"),
});

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), "router-process-"));
  await ensureAuthority({ directory, services: ["router", "registry", "gateway"] });
  database = await createTestDatabase({ schema: "router", directory: migrations });
  gateway = await loadMeshTls(tlsFiles("gateway"));
  bank = new ScriptableBank();
  registry = new RegistryStandIn();
  registry.putBank({ bsimId: "north-bank", apiBaseUrl: await bank.start() });
  registry.putMerchant("merchant-1", [keyedHash(pepper, headers["x-api-key"])]);
  registryPort = await registry.start(0, await loadMeshTls(tlsFiles("registry")));
});

afterEach(async () => {
  bank.settle();
  for (const router of running) {
    router.client.close();
    router.child.kill("SIGKILL");
    await router.exited;
  }
  running.clear();
});

afterAll(async () => {
  await Promise.all([registry.stop(), bank.stop()]);
  await database.drop();
  await rm(directory, { recursive: true, force: true });
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === "object" && address !== null ? address.port : 0;
}

/** Starts `node services/router/main.ts` as it runs in production, and waits until it serves. */
async function startProcess(): Promise<RouterProcess> {
  const [grpcPort, httpPort, adminPort] = [await freePort(), await freePort(), await freePort()];
  const files = tlsFiles("router");
  const child = spawn(process.execPath, [new URL("../main.ts", import.meta.url).pathname], {
    env: {
      ...inheritedEnvironment,
      PAYMESH_ENV: "local",
      ...{ GRPC_PORT: String(grpcPort), HTTP_PORT: String(httpPort), ADMIN_PORT: String(adminPort) },
      ...{ DATABASE_URL: database.url, DATABASE_SCHEMA: database.schema },
      ...{ TLS_CERT_FILE: files.certFile, TLS_KEY_FILE: files.keyFile, TLS_CA_FILE: files.caFile },
      ...{ API_KEY_PEPPER: pepper, OPERATOR_KEYS: "tester:operator-key-for-tests" },
      ...{ REGISTRY_ADDRESS: `127.0.0.1:${registryPort}`, DEFAULT_BSIM_ID: "north-bank" },
      PAYMENT_ID_KEY: "a payment id key for tests, 32 long",
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const exited = new Promise<number | null>((resolve) => child.once("exit", (code) => resolve(code)));
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => (output += chunk.toString()));
  const client = createRpcClient(Router, { address: `127.0.0.1:${grpcPort}`, serverName: "router", tls: gateway });
  const router = { child, client, adminPort, exited, output: () => output };
  running.add(router);
  await eventually("the router serves", () => output.includes('"msg":"ready"'), 30_000).catch((error: unknown) => {
    throw new Error(`the router did not start: ${output.slice(-2_000)}`, { cause: error });
  });
  return router;
}

/** Whether the operators' port says ready. */
async function isReady(router: RouterProcess): Promise<boolean> {
  const response = await fetch(`http://127.0.0.1:${router.adminPort}/health/ready`);
  return response.status === 200;
}

describe("a router process", () => {
  it("killed between the bank's hold and its own record leaves no hold and no pending payment", async () => {
    const first = await startProcess();
    const earlier = bank.pending.length;
    bank.next("authorize", { answers: "hang" });
    const order = authorizeBody();
    const payments = async () =>
      (await rowsOf(database, ["payments"])).filter((row) => row["order_id"] === order["orderId"]);
    const cut = first.client.authorize(order, { headers }).catch((error: unknown) => error);
    await eventually("the bank took the hold", () => bank.pending.length === earlier + 1);
    first.child.kill("SIGKILL");
    await first.exited;
    expect(await cut).toBeInstanceOf(Error);
    expect(await payments()).toMatchObject([{ status: "pending", bank_id: "north-bank" }]);
    await makePendingDue(database);
    const second = await startProcess();
    await eventually("the hold is released", () => bank.pending.length === earlier);
    expect(await payments()).toMatchObject([{ status: "failed" }]);
    // The merchant who asks again gets a new attempt and one hold.
    const answer = await second.client.authorize(order, { headers });
    expect(answer.status).toBe("authorized");
    expect(bank.pending).toHaveLength(earlier + 1);
    expect(bank.pending.at(-1)?.key).toBe(answer.transactionId);
  });

  it("told to stop finishes the payment in flight, then exits with 0", async () => {
    const router = await startProcess();
    bank.next("authorize", { delayMs: 700 });
    const calls = bank.calls.length;
    const inFlight = router.client.authorize(authorizeBody(), { headers });
    await eventually("the bank was called", () => bank.calls.length > calls);
    router.child.kill("SIGTERM");
    expect((await inFlight).status).toBe("authorized");
    expect(await router.exited).toBe(0);
  });

  it("started while the Registry is dead routes by the picture it kept, and is ready", async () => {
    const before = await startProcess();
    expect(await isReady(before)).toBe(true);
    await eventually("the picture is kept", async () => (await rowsOf(database, ["registry_snapshot"])).length === 1);
    before.child.kill("SIGTERM");
    await before.exited;
    const kept = JSON.stringify(await rowsOf(database, ["registry_snapshot"]));
    expect(kept).not.toContain(Buffer.from("key-of-north-bank").toString("hex"));
    await registry.stop();
    try {
      const router = await startProcess();
      expect(await isReady(router)).toBe(true);
      expect((await router.client.authorize(authorizeBody(), { headers })).status).toBe("authorized");
      expect(bank.calls.at(-1)?.apiKey).toBe("key-of-north-bank");
    } finally {
      await registry.start(registryPort, await loadMeshTls(tlsFiles("registry")));
    }
  });

  it("writes no card token and no key to its log", async () => {
    const router = await startProcess();
    const cardToken = "ctok_this-must-not-be-logged";
    bank.next("authorize", { answers: { status: 500, body: cardToken } });
    await router.client.authorize(authorizeBody({ cardToken }), { headers });
    await router.client.analyzeToken({ cardToken }, { headers });
    await eventually("the hold is released", () => router.output().includes("hold"));
    for (const secret of [cardToken, headers["x-api-key"], "key-of-north-bank"]) {
      expect(router.output()).not.toContain(secret);
    }
  });
});
