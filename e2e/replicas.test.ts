import { copyFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runJourney } from "../deploy/local/demo/journey.ts";
import { Narrator } from "../deploy/local/demo/narrator.ts";
import { freePorts } from "../deploy/local/free-ports.ts";
import { type Mesh, startMesh } from "../deploy/local/mesh.ts";
import type { PortName } from "../deploy/local/ports.ts";
import { demoWorld, origin } from "../deploy/local/world.ts";
import { type AlternatingProxy, startAlternatingProxy } from "./harness/alternating-proxy.ts";
import { adminCall, CardHolder } from "./harness/card-holder.ts";
import { startTestMesh, withoutProviders } from "./harness/start-test-mesh.ts";
import { Till } from "./harness/till.ts";

const meshServices = ["registry", "router", "wallet", "credential"] as const;
const ownPorts: readonly PortName[] = [
  ...(["gateway", "oidc", "gateway-admin"] as const),
  ...meshServices.flatMap((name): PortName[] => [`${name}-grpc`, `${name}-http`, `${name}-admin`]),
];
let first: Mesh;
let second: Mesh;
let directory: string;
let gateway: AlternatingProxy;
let oidc: AlternatingProxy;

beforeAll(async () => {
  [gateway, oidc] = await Promise.all([startAlternatingProxy(), startAlternatingProxy()]);
  const env = {
    wallet: { WALLET_APP_URL: gateway.url, WALLET_OIDC_ISSUER: oidc.url },
    shop: { WALLET_ISSUER: oidc.url, GATEWAY_URL: gateway.url },
  };
  first = await startTestMesh({ services: withoutProviders, env });
  second = await startSecond(env.wallet);
  gateway.sendTo(first.urls.gateway, second.urls.gateway);
  oidc.sendTo(first.urls.oidc, second.urls.oidc);
  await Promise.all(demoWorld.banks.map(({ id }) => letWalletReturnToProxies(id)));
}, 180_000);

afterAll(async () => {
  await second?.stop();
  await first?.stop();
  await Promise.all([gateway?.stop(), oidc?.stop()]);
  if (directory !== undefined) await rm(directory, { recursive: true, force: true });
});

/** A second of each service, and a gateway before them, over the same database, with the same secrets. */
async function startSecond(wallet: Record<string, string>): Promise<Mesh> {
  directory = await mkdtemp(path.join(tmpdir(), "paymesh-e2e-second-"));
  const router = first.environment("router");
  const firstDirectory = path.dirname(path.dirname(router["TLS_CERT_FILE"] ?? ""));
  await copyFile(path.join(firstDirectory, "secrets.json"), path.join(directory, "secrets.json"));
  const numbers = await freePorts(ownPorts.length);
  return await startMesh({
    directory,
    ports: { ...first.ports, ...Object.fromEntries(ownPorts.map((name, index) => [name, numbers[index] ?? 0])) },
    databaseUrl: first.databaseUrl,
    rolePrefix: new URL(router["DATABASE_URL"] ?? "").username.replace(/router$/, ""),
    services: meshServices,
    env: { wallet },
    gatewayThreads: 1,
    environment: process.env,
  });
}

/** The wallet's addresses are the proxies' here, so the banks must know these. */
async function letWalletReturnToProxies(bankId: "north-bank" | "maple-bank"): Promise<void> {
  await adminCall(origin(first.ports[bankId]), "POST", "/clients", {
    clientId: demoWorld.walletClientId,
    clientName: "paymesh wallet",
    redirectUris: [
      `${gateway.url}/api/mobile/enrollment/callback/${bankId}`,
      `${gateway.url}/api/enrollment/callback/${bankId}`,
      `${oidc.url}/auth/callback/${bankId}`,
    ],
    scopes: [
      ...["openid", "offline_access", "profile", "email", "wallet:enroll"],
      ...["fdx:accountdetailed:read", "fdx:transactions:read", "fdx:customercontact:read"],
    ],
    grantTypes: ["authorization_code", "refresh_token"],
  });
}

describe("two replicas of every service", { timeout: 120_000 }, () => {
  it("are one to a person, a shop and a phone whose every request goes to the other one than the last", async () => {
    const world = { ...first.urls, gateway: gateway.url, oidc: oidc.url };
    await runJourney(world, new Narrator(() => undefined));
    for (const proxy of [gateway, oidc]) {
      expect(proxy.counts.size).toBe(2);
      for (const count of proxy.counts.values()) expect(count).toBeGreaterThan(10);
    }
  });

  it("make one payment of one order, and one winner of capture and void", async () => {
    const till = await Till.open(gateway.url);
    const north = first.urls.banks["north-bank"];
    const holder = await CardHolder.consentAt(north, "north-bank", "customer2@example.com");
    const wanted = { merchantId: till.merchantId, amount: 2 };
    const token = await holder.mint(wanted);
    const body = { orderId: `one order ${till.merchantId}` };
    const answers = await Promise.all(Array.from({ length: 10 }, () => till.authorize(token, 2, { body })));
    expect(new Set(answers.map((answer) => `${answer.status} ${answer.body["transactionId"]}`)).size).toBe(1);
    expect(answers[0]).toMatchObject({ status: 200, body: { status: "authorized" } });
    expect(await till.position(north)).toMatchObject({ approved: 1, held: 200 });
    const id = answers[0]?.body["transactionId"];
    const [capture, release] = await Promise.all([
      till.operate(id, "capture", undefined, first.urls.gateway),
      till.operate(id, "void", undefined, second.urls.gateway),
    ]);
    expect([capture.status, release.status].sort()).toEqual([200, 400]);
    expect(await till.position(north)).toMatchObject({ held: 0, captured: capture.status === 200 ? 200 : 0 });
  });
});
