import { createHmac, verify } from "node:crypto";
import sparticuz from "@sparticuz/chromium";
import { type Browser, chromium } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { FormBrowser, plainText } from "../../platform/testing/form-browser.ts";
import { setUp } from "../../platform/testing/set-up.ts";
import type { ReceivedWebhook } from "../kit/testing/webhook-receiver.ts";
import { back, partner, type RunningMastercard, recordsOf, startMastercard } from "./testing/start-mastercard.ts";

let sandbox: RunningMastercard;
setUp(async () => {
  sandbox = await startMastercard();
  return () => sandbox.stop();
});
afterEach(async () => {
  sandbox.receiver.answer = () => 200;
  await sandbox.control("PATCH", "/settings", { webhookSignature: "valid", clockSkewSeconds: 0 });
});

const isBack = (location: string) => location.startsWith(back);
const credentials = { "User name": "demo", Password: "go" };
const eventsOf = (customerId: string) =>
  sandbox.receiver.received.filter((each) => each.body["customerId"] === customerId && "eventType" in each.body);
const typesOf = (customerId: string) => eventsOf(customerId).map((each) => String(each.body["eventType"]));
const event = (customerId: string, type: string) =>
  sandbox.receiver.next((each) => each.body["customerId"] === customerId && each.body["eventType"] === type);

/** As the provider's documentation says: HMAC of the exact bytes. */
function isSigned(webhook: ReceivedWebhook, secret = partner.secret): boolean {
  return webhook.headers["x-finicity-signature"] === createHmac("sha256", secret).update(webhook.raw).digest("hex");
}

describe("a Connect link", () => {
  it("leads a person from a search to the partner's address, and tells the partner of each step", async () => {
    const customerId = await sandbox.customer();
    const more = { webhookData: { firm: "f-1" }, webhookHeaders: { "X-Firm": "f-1" }, redirectUri: `${back}?mine=1` };
    const browser = new FormBrowser();
    const link = await sandbox.link(customerId, more);
    expect(plainText((await browser.open(`${link}&search=nobody`)).text)).toContain("No bank of that name.");
    let page = await browser.open(`${link}&search=cascade`);
    expect(plainText(page.text)).not.toContain("FinBank");
    page = await browser.press(page, "Cascade Credit Union");
    page = await browser.press(page, "Sign in", { ...credentials, Password: "wrong" });
    expect([page.status, plainText(page.text)]).toEqual([401, expect.stringContaining("is not right")]);
    page = await browser.press(page, "Sign in", credentials);
    const end = await browser.press(page, "Allow", {}, isBack);
    expect(end.url).toBe(`${back}?mine=1&code=200&reason=complete`);
    const added = await event(customerId, "added");
    await event(customerId, "done");
    expect(added.body).toMatchObject({
      payload: {
        institutionId: "900101",
        accounts: [{ type: "checking" }, { type: "savings" }, { type: "creditCard" }],
      },
      webhookData: { firm: "f-1" },
    });
    expect(added.headers["x-firm"]).toBe("f-1");
    const steps = ["ping", "started", "invalidCredentials", "discovered", "adding", "added", "processing", "done"];
    await expect.poll(() => typesOf(customerId).sort()).toEqual([...steps].sort());
    expect(eventsOf(customerId).every((each) => isSigned(each))).toBe(true);
    expect(new Set(eventsOf(customerId).map((each) => each.body["eventId"])).size).toBe(steps.length);
    const accounts = await sandbox.api("GET", `/aggregation/v1/customers/${customerId}/accounts`);
    expect(recordsOf(accounts, "accounts")).toHaveLength(3);
  });

  it("shares the accounts that stay ticked, makes no others when followed again, and none without one", async () => {
    const customerId = await sandbox.customer();
    const link = await sandbox.link(customerId);
    const consent = (accounts: string[]) => sandbox.control("POST", "/consents", { link, accounts });
    expect((await consent([])).status).toBe(400);
    await consent(["current"]);
    await consent(["current", "card"]);
    const list = await sandbox.api("GET", `/aggregation/v1/customers/${customerId}/accounts`);
    expect(recordsOf(list, "accounts").map((each) => each["type"])).toEqual(["checking", "creditCard"]);
    expect(new Set(recordsOf(list, "accounts").map((each) => each["institutionLoginId"])).size).toBe(1);
  });

  it("ends at the partner's address when the person leaves", async () => {
    const browser = new FormBrowser();
    const page = await browser.open(await sandbox.link(await sandbox.customer()));
    expect((await browser.press(page, "Cancel", {}, isBack)).url).toBe(`${back}?code=100&reason=exit`);
  });

  it("is over after its time, after its one use, and after five wrong passwords", async () => {
    const customerId = await sandbox.customer();
    const open = async (link: string) => (await new FormBrowser().open(link)).status;
    const once = await sandbox.link(customerId, { singleUseUrl: true });
    await sandbox.control("POST", "/consents", { link: once });
    expect(await open(once)).toBe(409);
    const guessed = await sandbox.link(customerId);
    const browser = new FormBrowser();
    let page = await browser.press(await browser.open(guessed), "FinBank");
    for (let count = 0; count < 5; count += 1)
      page = await browser.press(page, "Sign in", { ...credentials, Password: "x" });
    expect(await open(guessed)).toBe(429);
    await event(customerId, "unableToConnect");
    const old = await sandbox.link(customerId);
    sandbox.clock.advance(2 * 3_600_000 + 1_000);
    expect(await open(old)).toBe(410);
    expect(await open(`${sandbox.origin}/connect?token=none`)).toBe(404);
    await sandbox.renew();
  });

  it("lets one of two consents at once through", async () => {
    const customerId = await sandbox.customer();
    const link = await sandbox.link(customerId, { singleUseUrl: true });
    const both = await Promise.all([1, 2, 3].map(() => sandbox.control("POST", "/consents", { link })));
    expect(both.filter((each) => each.status === 200)).toHaveLength(1);
    const logins = recordsOf(await sandbox.control("GET", "/logins"), "logins");
    expect(logins.filter((each) => each["customerId"] === customerId)).toHaveLength(1);
  });

  it("repairs a login by the same person alone", async () => {
    const { customerId, loginId } = await sandbox.connected({ institutionId: "170778" });
    const fix = {
      partnerId: partner.id,
      customerId,
      institutionLoginId: loginId,
      redirectUri: back,
      webhook: sandbox.receiver.url,
    };
    const { body } = await sandbox.api("POST", "/connect/v2/generate/fix", fix);
    const browser = new FormBrowser();
    let page = await browser.open(String(body["link"]));
    page = await browser.press(page, "Sign in", { ...credentials, "User name": "riley" });
    expect(page.status).toBe(401);
    page = await browser.press(page, "Sign in", credentials);
    expect(plainText(page.text)).toContain("Renew access");
    await browser.press(page, "Allow", {}, isBack);
    const repaired = await event(customerId, "credentialsUpdated");
    expect(repaired.body).toMatchObject({ payload: { institutionLoginId: loginId } });
    const foreign = { ...fix, customerId: await sandbox.customer() };
    expect((await sandbox.api("POST", "/connect/v2/generate/fix", foreign)).body["code"]).toBe("14001");
  });

  it("goes by e-mail, with a consumer where the settings ask for one", async () => {
    const customerId = await sandbox.customer();
    const email = { to: "dana@example.com", firstName: "Dana", signature: ["Firm", "Street 1"] };
    const send = (more: object = {}) =>
      sandbox.api("POST", "/connect/v2/send/email", { partnerId: partner.id, customerId, email, ...more });
    const sent = await send();
    expect(sent.body).toMatchObject({ link: expect.stringContaining("/connect?token="), emailConfig: email });
    const emails = recordsOf(await sandbox.control("GET", "/emails"), "emails");
    expect(emails[0]).toMatchObject({ customerId, email, stage: "open" });
    await sandbox.control("PATCH", "/settings", { emailNeedsConsumer: true });
    expect((await send()).body).toMatchObject({ code: "10005", message: "Missing parameter (consumerId)" });
    expect((await send({ consumerId: "c-1" })).status).toBe(200);
    await sandbox.control("PATCH", "/settings", { emailNeedsConsumer: false });
  });

  it("is not made for a strange partner, customer, address or a webhook that does not answer", async () => {
    const customerId = await sandbox.customer();
    const refused = async (more: object) => {
      const body = { partnerId: partner.id, customerId, redirectUri: back, ...more };
      return (await sandbox.api("POST", "/connect/v2/generate", body)).body["code"];
    };
    expect(await refused({ partnerId: "other" })).toBe("10010");
    expect(await refused({ customerId: "1" })).toBe("10010");
    expect(await refused({ redirectUri: "https://elsewhere.example/" })).toBe("10010");
    expect(await refused({ experience: "no guid" })).toBe("10010");
    expect(await refused({ webhookHeaders: { "bad header": "x" } })).toBe("10010");
    sandbox.receiver.answer = () => 500;
    expect(await refused({ webhook: sandbox.receiver.url })).toBe("10010");
    expect(await refused({ webhook: "http://127.0.0.1:9/" })).toBe("10010");
    expect(await refused({})).toBeUndefined();
  });
});

describe("Connect webhooks", () => {
  const send = (customerId: string, more: object = {}) =>
    sandbox.control("POST", "/events", { customerId, eventType: "processing", ...more });

  it("come again with the same id and bytes until they are taken", async () => {
    const customerId = await sandbox.customer();
    await sandbox.link(customerId);
    sandbox.receiver.answer = () => 503;
    const { body } = await send(customerId);
    const attempts = () => eventsOf(customerId).filter((each) => each.body["eventId"] === body["eventId"]);
    for (const count of [1, 2, 3]) {
      await expect.poll(() => attempts().length).toBe(count);
      sandbox.clock.advance(10_000);
      if (count === 2) sandbox.receiver.answer = () => 202;
    }
    expect(new Set(attempts().map((each) => each.raw)).size).toBe(1);
    const told = { eventId: body["eventId"], state: "delivered", attempts: 3, lastStatus: 202 };
    await expect
      .poll(async () => recordsOf(await sandbox.control("GET", "/webhooks"), "webhooks"))
      .toContainEqual(expect.objectContaining(told));
  });

  it.each(["wrong_key", "wrong_body", "missing"])(
    "are refused by a receiver who checks, when %s",
    async (signature) => {
      const customerId = await sandbox.customer();
      await sandbox.link(customerId);
      await send(customerId, { signature });
      expect(isSigned(await event(customerId, "processing"))).toBe(false);
    },
  );

  it("are signed with the new secret once it changed", async () => {
    const customerId = await sandbox.customer();
    await sandbox.link(customerId);
    const change = (from: string, to: string) =>
      sandbox.api("PUT", "/aggregation/v2/partners/authentication", {
        partnerId: partner.id,
        partnerSecret: from,
        newPartnerSecret: to,
      });
    await change(partner.secret, "another-secret-9");
    await send(customerId);
    expect(isSigned(await event(customerId, "processing"), "another-secret-9")).toBe(true);
    await change("another-secret-9", partner.secret);
  });

  it("tell of accounts the partner deleted", async () => {
    const { customerId, loginId } = await sandbox.connected();
    await sandbox.api("DELETE", `/aggregation/v1/customers/${customerId}/institutionLogins/${loginId}`);
    expect((await event(customerId, "accountsDeleted")).body).toMatchObject({
      payload: { institutionLoginId: loginId },
    });
  });
});

describe("notifications", () => {
  const base = "/notification-subscriptions/webhooks";
  const consent = "mastercard.openbanking.customer.consent";
  const subscribe = async (events: object[]) => sandbox.api("POST", base, { url: sandbox.receiver.url, events });
  const notified = (name: string, customerId: string) =>
    sandbox.receiver.next((each) => each.body["eventName"] === name && each.body["customerId"] === customerId);
  afterEach(() => sandbox.control("PATCH", "/settings", { signatureEncoding: "der" }));

  async function isSignedByKey(webhook: ReceivedWebhook, dsaEncoding: "der" | "ieee-p1363" = "der"): Promise<boolean> {
    const key = (await sandbox.call("/webhook-key.pem")).text;
    const signed = Buffer.from(`${webhook.raw}.${webhook.headers["x-mastercard-signature-timestamp"]}`);
    const signature = Buffer.from(String(webhook.headers["x-mastercard-signature"]), "hex");
    return verify("sha256", signed, { key, dsaEncoding }, signature);
  }

  it("are subscribed to, listed, changed, switched off and deleted", async () => {
    const made = await subscribe([{ name: consent }]);
    expect([made.status, made.body["status"]]).toEqual([201, "pending"]);
    const path = `${base}/${made.body["subscriptionId"]}`;
    const get = async () => (await sandbox.api("GET", path)).body;
    expect(await get()).toMatchObject({ status: "active", events: [{ name: consent, status: "active" }] });
    expect((await sandbox.api("GET", base)).body).toMatchObject({ total: 1, count: 1, offset: 1, limit: 10 });
    expect(recordsOf(await sandbox.api("GET", `${base}/events`), "events")).toHaveLength(3);
    await sandbox.api("PUT", path, { events: [{ name: consent, url: "http://127.0.0.1:9/own" }] });
    const [{ webhookEventId } = {}] = recordsOf(await sandbox.api("GET", path), "events");
    const eventPath = `${path}/events/${webhookEventId}`;
    const other = { name: "manage.txpush.account.created", url: "http://127.0.0.1:9/other" };
    expect((await sandbox.api("PUT", eventPath, other)).body).toEqual(other);
    expect((await sandbox.api("PUT", `${eventPath}/status`, { status: "inactive" })).body["status"]).toBe("inactive");
    expect(await get()).toMatchObject({ status: "active", events: [{ ...other, webhookEventId, status: "inactive" }] });
    await sandbox.api("PUT", `${path}/status`, { status: "inactive" });
    expect(await get()).toMatchObject({ status: "inactive" });
    expect((await sandbox.api("DELETE", eventPath)).status).toBe(204);
    expect((await sandbox.api("DELETE", eventPath)).status).toBe(404);
    expect((await sandbox.api("DELETE", path)).status).toBe(204);
    const gone = await sandbox.api("GET", path);
    expect([gone.status, gone.body]).toEqual([
      404,
      { Errors: { Error: [expect.objectContaining({ reasonCode: 1501 })] } },
    ]);
    for (const events of [[], [{ name: "no.such.event" }]]) expect((await subscribe(events)).status).toBe(400);
    expect((await sandbox.api("POST", base, { events: [{ name: consent }] })).status).toBe(400);
    const stranger = await sandbox.api("GET", base, undefined, { "finicity-app-token": "x" });
    expect([stranger.status, stranger.body["Errors"]]).toEqual([401, expect.anything()]);
  });

  it("tell of consent given and taken back, and of authorizations that end, signed by the published key", async () => {
    await subscribe([{ name: consent }, { name: "authorization.accesstoken.expiry" }]);
    const { customerId, loginId } = await sandbox.connected({ institutionId: "170778" });
    const given = await notified(consent, customerId);
    expect(given.body).toMatchObject({ status: "granted", institutionId: "170778", institutionLoginId: loginId });
    expect(given.headers["x-mastercard-signature-algorithm"]).toBe("SHA256withECDSA");
    expect(String(given.headers["x-mastercard-webhook-message-id"])).toMatch(/^[0-9a-f-]{36}$/);
    expect(await isSignedByKey(given)).toBe(true);
    await sandbox.control("PATCH", "/settings", { signatureEncoding: "raw" });
    await sandbox.control("POST", `/logins/${loginId}/authorization-end`, { inSeconds: 3 * 86_400 });
    const ending = await notified("authorization.accesstoken.expiry", customerId);
    expect(await isSignedByKey(ending, "ieee-p1363")).toBe(true);
    await sandbox.control("POST", `/logins/${loginId}/revoke`);
    expect((await notified(consent, customerId)).body).toMatchObject({ status: "revoked" });
    const refreshed = await sandbox.api("POST", `/aggregation/v1/customers/${customerId}/accounts`, {});
    expect(recordsOf(refreshed, "accounts")[0]).toMatchObject({ aggregationStatusCode: 946 });
  });

  it("can be signed wrongly, and with a clock that is off", async () => {
    await subscribe([{ name: consent }]);
    const seen = async (settings: object) => {
      await sandbox.control("PATCH", "/settings", settings);
      const { customerId } = await sandbox.connected();
      return notified(consent, customerId);
    };
    expect(await isSignedByKey(await seen({ webhookSignature: "wrong_key" }))).toBe(false);
    expect((await seen({ webhookSignature: "missing" })).headers["x-mastercard-signature"]).toBeUndefined();
    const ageOf = (webhook: ReceivedWebhook) =>
      sandbox.clock.now().getTime() / 1_000 - Number(webhook.headers["x-mastercard-signature-timestamp"]);
    expect(ageOf(await seen({ webhookSignature: "stale" }))).toBeGreaterThan(3_500);
    const skewed = await seen({ webhookSignature: "valid", clockSkewSeconds: 900 });
    expect(ageOf(skewed)).toBeLessThan(-800);
    expect(await isSignedByKey(skewed)).toBe(true);
  });

  it("go to who asked for this institution, and not to who left it out", async () => {
    const name = "manage.txpush.account.created";
    const [one, other] = [
      { subscribeFor: "institutionId", includes: ["900101"] },
      { subscribeFor: "institutionId", excludes: ["900101"] },
    ];
    const made = await subscribe([{ name, condition: one }]);
    await subscribe([{ name, condition: other }]);
    const { customerId } = await sandbox.connected({ institutionId: "900101" });
    expect((await notified(name, customerId)).body["subscriptionId"]).toBe(made.body["subscriptionId"]);
    const all = sandbox.receiver.received.filter(
      (each) => each.body["eventName"] === name && each.body["customerId"] === customerId,
    );
    expect(all).toHaveLength(1);
  });
});

describe("the pages in a browser without scripts", () => {
  let browser: Browser;
  beforeAll(async () => {
    // The package's own flags put all in one process, which ends with its first window. Root has no sandbox.
    const executablePath = await sparticuz.executablePath();
    browser = await chromium.launch({ executablePath, args: ["--no-sandbox"], headless: true });
  });
  afterAll(() => browser?.close());

  it.each([
    ["phone", { width: 390, height: 844 }],
    ["desktop", { width: 1280, height: 900 }],
  ])("fit a %s and lead to consent by labels and buttons", async (_name, viewport) => {
    const context = await browser.newContext({ viewport, javaScriptEnabled: false });
    const page = await context.newPage();
    page.setDefaultTimeout(15_000);
    const fits = async () => {
      for (const element of await page.locator("main, button:visible, input:visible").all()) {
        const box = await element.boundingBox();
        expect((box?.x ?? 0) + (box?.width ?? 0)).toBeLessThanOrEqual(viewport.width);
      }
    };
    const customerId = await sandbox.customer();
    await page.goto(await sandbox.link(customerId, { redirectUri: `${sandbox.origin}/health` }));
    await fits();
    await page.getByLabel("Find your bank").fill("finbank");
    await page.getByRole("button", { name: "Search" }).click();
    await page.getByRole("button", { name: "FinBank OAuth" }).click();
    await fits();
    await page.getByLabel("User name").fill("demo");
    await page.getByLabel("Password").fill("go");
    await page.getByRole("button", { name: "Sign in" }).click();
    await fits();
    await page.getByRole("checkbox", { name: /Savings/ }).uncheck();
    await page.getByRole("button", { name: "Allow" }).click();
    await event(customerId, "done");
    const list = await sandbox.api("GET", `/aggregation/v1/customers/${customerId}/accounts`);
    expect(recordsOf(list, "accounts").map((each) => each["type"])).toEqual(["checking", "creditCard"]);
    await context.close();
  });
});
