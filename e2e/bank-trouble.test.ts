import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import type { Mesh } from "../deploy/local/mesh.ts";
import { demoWorld } from "../deploy/local/world.ts";
import { type Answer, call } from "./harness/call.ts";
import { adminCall, CardHolder, type CardTokens } from "./harness/card-holder.ts";
import { startTestMesh } from "./harness/start-test-mesh.ts";
import { startThirdBank, type ThirdBank } from "./harness/third-bank.ts";
import { Till } from "./harness/till.ts";

const settleMs = 20_000;
const customer = "customer1@example.com";
let mesh: Mesh;
let atNorth: CardHolder;
let atMaple: CardHolder;
let river: ThirdBank | undefined;

beforeAll(async () => {
  // Probed often, so that the tests need not wait; a stopped bank is found out by its silence.
  const registry = {
    HEALTH_PROBE_INTERVAL_MS: "300",
    HEALTH_PROBE_TIMEOUT_MS: "300",
    HEALTH_CIRCUIT_OPEN_MS: "500",
  };
  mesh = await startTestMesh({ services: ["registry", "router", "north-bank", "maple-bank"], env: { registry } });
  const { banks } = mesh.urls;
  [atNorth, atMaple] = await Promise.all([
    CardHolder.consentAt(banks["north-bank"], "north-bank", customer),
    CardHolder.consentAt(banks["maple-bank"], "maple-bank", customer),
  ]);
}, 90_000);

afterAll(async () => {
  await river?.process.kill("SIGKILL");
  await mesh?.stop();
});

async function registryRow(bankId: string): Promise<Readonly<Record<string, unknown>>> {
  const headers = { "x-admin-key": demoWorld.operatorKey };
  return (await call("GET", `${mesh.urls.gateway}/api/v1/registry/bsims/${bankId}`, { headers })).body;
}

async function operator(bankId: string, act: "pause" | "resume"): Promise<void> {
  const headers = { "x-admin-key": demoWorld.operatorKey };
  const url = `${mesh.urls.gateway}/api/v1/registry/bsims/${bankId}/${act}`;
  expect((await call("POST", url, { headers, body: {} })).status).toBe(200);
}

/** `failed`, with both texts a shop shows, and nothing of what went wrong inside. */
function expectBankUnavailable(answer: Answer): void {
  expect(answer).toMatchObject({
    status: 400,
    body: { status: "failed", error: "bank_unavailable", message: expect.stringMatching(/\S/) },
  });
  expect(answer.text).not.toMatch(/ECONN|127\.0\.0\.1|socket|undici|stack/i);
}

/** Pays until the bank is back for the Router; every try is an order of its own with a token of its own. */
async function payUntilAuthorized(till: Till, mint: () => Promise<CardTokens>, amount: number): Promise<Answer> {
  let answer: Answer | undefined;
  await expect
    .poll(
      async () => {
        answer = await till.authorize(await mint(), amount);
        return answer.body["status"];
      },
      { timeout: settleMs, interval: 300 },
    )
    .toBe("authorized");
  if (answer === undefined) throw new Error("never asked");
  return answer;
}

describe("a bank in trouble", { timeout: 60_000 }, () => {
  it("paused by the operator gets no payment until it is resumed, and no other bank gets it instead", async () => {
    const till = await Till.open(mesh.urls.gateway);
    const wanted = { merchantId: till.merchantId, amount: 2 };
    const tokens = await atMaple.mint(wanted);
    await operator("maple-bank", "pause");
    // The Router follows within moments; what got through until then is counted below.
    await expect
      .poll(async () => (await till.authorize(await atMaple.mint(wanted), 2)).body["status"], { timeout: settleMs })
      .toBe("failed");
    const { approved } = await till.position(mesh.urls.banks["maple-bank"]);
    expectBankUnavailable(await till.authorize(tokens, 2));
    expect((await till.authorize(await atNorth.mint(wanted), 2)).body["status"]).toBe("authorized");
    expect(await till.position(mesh.urls.banks["maple-bank"])).toMatchObject({ approved });
    expect(await till.position(mesh.urls.banks["north-bank"])).toMatchObject({ approved: 1 });
    await operator("maple-bank", "resume");
    // The token was never shown to the bank while it was paused, so it still pays.
    await expect
      .poll(async () => (await till.authorize(tokens, 2)).body["status"], { timeout: settleMs })
      .toBe("authorized");
  });

  it("killed fails its own payments alone, at once, and is paid again when it is back, without any restart", async () => {
    const till = await Till.open(mesh.urls.gateway);
    const wanted = { merchantId: till.merchantId, amount: 3 };
    const tokens = await atMaple.mintMany(3, wanted);
    const router = mesh.pid("router");
    await mesh.kill("maple-bank", "SIGKILL");
    for (const each of tokens) expectBankUnavailable(await till.authorize(each, 3));
    expect((await till.authorize(await atNorth.mint(wanted), 3)).body["status"]).toBe("authorized");
    await mesh.restart("maple-bank");
    const paid = await payUntilAuthorized(till, () => atMaple.mint(wanted), 3);
    expect(mesh.pid("router")).toBe(router);
    expect((await till.get(paid.body["transactionId"])).body["bsimId"]).toBe("maple-bank");
    await expect
      .poll(async () => (await till.position(mesh.urls.banks["maple-bank"])).held, { timeout: settleMs })
      .toBe(300);
  });

  it("that hangs leaves the payment failed in time, gets nothing more while its probes fail, and gives the late hold back", async () => {
    const till = await Till.open(mesh.urls.gateway);
    const maple = mesh.urls.banks["maple-bank"];
    const wanted = { merchantId: till.merchantId, amount: 4 };
    const [first, second] = await atMaple.mintMany(2, wanted);
    const pid = mesh.pid("maple-bank") ?? 0;
    process.kill(pid, "SIGSTOP");
    try {
      const started = performance.now();
      expectBankUnavailable(await till.authorize(first ?? {}, 4));
      expect(performance.now() - started).toBeLessThan(15_000);
      await expect
        .poll(async () => (await registryRow("maple-bank"))["health"], { timeout: settleMs })
        .toBe("unhealthy");
      const again = performance.now();
      expectBankUnavailable(await till.authorize(second ?? {}, 4));
      // Without asking the bank, for which the Router waits ten seconds.
      expect(performance.now() - again).toBeLessThan(5_000);
    } finally {
      process.kill(pid, "SIGCONT");
    }
    await payUntilAuthorized(till, () => atMaple.mint(wanted), 4);
    // Whatever the bank did with the order that reached it while it hung: only the paid one stays held.
    await expect.poll(async () => (await till.position(maple)).held, { timeout: settleMs }).toBe(400);
    const states = (await till.payments()).map((payment) => payment["status"]);
    expect(states.filter((status) => status === "authorized")).toHaveLength(1);
    expect(states.filter((status) => status === "pending")).toHaveLength(0);
  });

  it("new to the mesh gets its first payment without a restart of anything", async () => {
    const before = (["registry", "router", "gateway"] as const).map((name) => mesh.pid(name));
    const till = await Till.open(mesh.urls.gateway);
    await river?.process.kill("SIGKILL");
    river = await startThirdBank(mesh);
    const { id, url } = river;
    await expect.poll(async () => (await registryRow(id))["status"], { timeout: settleMs }).toBe("active");
    const holder = await CardHolder.consentAt(url, id, customer);
    const paid = await payUntilAuthorized(till, () => holder.mint({ merchantId: till.merchantId, amount: 5 }), 5);
    expect((await till.get(paid.body["transactionId"])).body["bsimId"]).toBe(id);
    expect(await till.position(url)).toMatchObject({ approved: 1, held: 500 });
    expect((["registry", "router", "gateway"] as const).map((name) => mesh.pid(name))).toEqual(before);
  });
});

describe("one card", { timeout: 60_000 }, () => {
  it("never goes over its limit, however many holds arrive at once", async () => {
    const till = await Till.open(mesh.urls.gateway);
    const north = mesh.urls.banks["north-bank"];
    const cards = async () => (await adminCall(north, "GET", "/cards?limit=100"))["cards"] as Record<string, unknown>[];
    const card = async () => (await cards()).find((each) => each["lastFour"] === atNorth.lastFour(1));
    onTestFinished(async () => {
      for (const { transactionId } of await till.payments()) await till.operate(transactionId, "void");
    });
    const available = Number((await card())?.["available"]);
    expect(available).toBeGreaterThan(0);
    const amount = Math.floor(available / 8);
    const tokens = await atNorth.mintMany(50, { merchantId: till.merchantId, amount }, 1);
    const answers = await Promise.all(tokens.map((each) => till.authorize(each, amount)));
    const approved = answers.filter((answer) => answer.body["status"] === "authorized");
    expect(approved).toHaveLength(Math.floor(available / amount));
    for (const answer of answers.filter((each) => !approved.includes(each))) {
      expect(answer.body).toMatchObject({ status: "declined", declineReason: "Insufficient credit" });
    }
    expect(Number((await card())?.["available"])).toBeGreaterThanOrEqual(0);
    expect((await till.position(north)).held).toBe(approved.length * amount * 100);
  });
});
