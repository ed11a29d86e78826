import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { readConfig } from "../../../platform/config/read-config.ts";
import { FormBrowser } from "../../../platform/testing/form-browser.ts";
import type { ReceivedWebhook } from "../../../sandbox/kit/testing/webhook-receiver.ts";
import { type RunningPlaid, startPlaid } from "../../../sandbox/plaid/testing/start-plaid.ts";
import type { ConnectionAccess, Connector, Grant } from "../connector.ts";
import type { TransactionPage } from "../provider-data.ts";
import type { ProviderError } from "../provider-error.ts";
import { openProviderHttp, type ProviderHttp } from "../provider-http.ts";
import type { RawWebhook } from "../webhook-reader.ts";
import { createPlaidConnector } from "./plaid-connector.ts";
import { plaidSettings } from "./plaid-settings.ts";

const redirectUri = "http://127.0.0.1:65000/api/connectors/plaid/callback";
const from = new Date(0);
let plaid: RunningPlaid;
let http: ProviderHttp;
let connector: Connector;

beforeAll(async () => {
  plaid = await startPlaid();
  http = openProviderHttp();
  connector = makeConnector();
});
afterAll(async () => {
  await http?.close();
  await plaid?.stop();
});

function makeConnector(secret = "secret-of-the-test"): Connector {
  const env = { PAYMESH_ENV: "local", PLAID_WEBHOOK_URL: plaid.receiver.url };
  const settings = readConfig(z.object(plaidSettings), env);
  return createPlaidConnector({ http, settings, baseUrl: plaid.origin, clientId: "client-of-the-test", secret });
}

const call = (timeoutMs = 5_000) => ({ now: new Date(), timeoutMs });

/** Walks a person through Plaid's hosted page; the query he comes back with. */
async function visit(authUrl: string, options: { bank?: string; username?: string } = {}): Promise<URLSearchParams> {
  const browser = new FormBrowser();
  let page = await browser.open(authUrl);
  if (options.bank !== undefined) page = await browser.press(page, options.bank);
  const login = { "User name": options.username ?? "user_good", Password: "pass_good" };
  page = await browser.press(page, "Sign in", login);
  const end = await browser.press(page, "Allow", {}, (location) => location.startsWith(redirectUri));
  return new URL(end.url).searchParams;
}

const start = { institutionId: "", redirectUri, state: "state-of-the-test", userReference: "ab".repeat(32) };

async function connect(username = "user_good"): Promise<Grant> {
  const begun = await connector.begin(start, call());
  const query = await visit(begun.authUrl ?? "", { bank: "First Platypus Bank", username });
  const facts = connector.readCallback?.(query);
  expect(facts?.state).toBe(start.state);
  return await connector.complete({ ...start, iss: "", code: facts?.code ?? "", proofs: begun.proofs }, call());
}

function accessOf(grant: Grant): ConnectionAccess {
  const { accessToken, institutionId, providerReference, ownerReference } = grant;
  return { accessToken, institutionId, providerReference, ownerReference };
}

async function sync(access: ConnectionAccess, cursor: string): Promise<TransactionPage> {
  const page = await connector.syncTransactions?.(access, { cursor, from }, call());
  if (page === undefined) throw new Error("no transactions");
  return page;
}

/** The whole history, once it is there. */
async function syncAll(access: ConnectionAccess): Promise<{ pages: TransactionPage[]; cursor: string }> {
  for (let attempt = 0; attempt < 400; attempt += 1) {
    const pages: TransactionPage[] = [];
    let cursor = "";
    for (let more = true; more; ) {
      const page = await sync(access, cursor);
      pages.push(page);
      cursor = page.nextCursor;
      more = page.hasMore;
    }
    if (pages.flatMap((page) => page.added).length > 200) return { pages, cursor };
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error("the history did not come");
}

/** The next webhook of this code about this item. */
async function webhookOf(itemId: string, code: string): Promise<ReceivedWebhook> {
  for (;;) {
    const webhook = await plaid.webhook(code);
    if (webhook.body["item_id"] === itemId) return webhook;
  }
}

function rawOf(webhook: ReceivedWebhook, changes: Partial<RawWebhook> = {}): RawWebhook {
  const headers = { "plaid-verification": String(webhook.headers["plaid-verification"]) };
  return { body: Buffer.from(webhook.raw), headers, path: "/hook", receivedAt: new Date(), ...changes };
}

describe("a consent at Plaid", () => {
  it("begins with a link token and a hosted page, and becomes an item with its bank's name", async () => {
    const grant = await connect();
    expect(grant).toMatchObject({ institutionId: "ins_109508", institutionName: "First Platypus Bank" });
    expect(grant.providerReference).toBe(grant.ownerReference);
    expect(grant.accessTokenExpiresAt).toBeUndefined();
  });

  it("asks Plaid for the public token when the person comes back without one", async () => {
    const begun = await connector.begin(start, call());
    await visit(begun.authUrl ?? "", { bank: "First Gingham Credit Union" });
    const { code } = connector.readCallback?.(new URLSearchParams({ state: start.state })) ?? { code: "" };
    const grant = await connector.complete({ ...start, iss: "", code, proofs: begun.proofs }, call());
    expect(grant.institutionName).toBe("First Gingham Credit Union");
  });

  it("that its person left is refused, and so is a public token nobody issued", async () => {
    const begun = await connector.begin(start, call());
    const left = { ...start, iss: "", code: "link-session", proofs: begun.proofs };
    await expect(connector.complete(left, call())).rejects.toMatchObject({ oauthError: "access_denied" });
    const made = { ...left, code: "public-sandbox-nobody" };
    await expect(connector.complete(made, call())).rejects.toMatchObject({ failure: "grant_refused" });
  });

  it("keeps its token when Plaid says nothing more of the item", async () => {
    const begun = await connector.begin(start, call());
    const query = await visit(begun.authUrl ?? "", { bank: "First Platypus Bank" });
    await plaid.control("POST", "/faults", { kind: "html", path: "/item/get" });
    const code = query.get("public_token") ?? "";
    const grant = await connector.complete({ ...start, iss: "", code, proofs: begun.proofs }, call());
    expect((await connector.listAccounts(accessOf(grant), call())).length).toBe(3);
  });

  it("is renewed in update mode under the same token, and only once the person signed in", async () => {
    const grant = await connect();
    const access = accessOf(grant);
    await plaid.control("POST", `/items/${grant.providerReference}/login-required`);
    await expect(connector.listAccounts(access, call())).rejects.toMatchObject({ failure: "reauthorize" });
    const begun = await connector.begin({ ...start, reconnect: access }, call());
    const answer = { ...start, iss: "", code: "link-session", proofs: begun.proofs, reconnect: access };
    await expect(connector.complete(answer, call())).rejects.toMatchObject({ oauthError: "access_denied" });
    await visit(begun.authUrl ?? "");
    const renewed = await connector.complete(answer, call());
    expect(renewed).toMatchObject({ accessToken: grant.accessToken, ownerReference: grant.ownerReference });
    expect((await connector.listAccounts(access, call())).length).toBe(3);
  });

  it("has its token replaced: the old one is dead at once, and once replaced it is so for good", async () => {
    const access = accessOf(await connect());
    const rotated = await connector.rotateAccess?.(access, call());
    expect(rotated?.accessToken).toMatch(/^access-sandbox-/);
    await expect(connector.listAccounts(access, call())).rejects.toMatchObject({ failure: "grant_refused" });
    await expect(connector.rotateAccess?.(access, call())).rejects.toMatchObject({ failure: "grant_refused" });
    const renewed = { ...access, accessToken: rotated?.accessToken ?? "" };
    expect((await connector.listAccounts(renewed, call())).length).toBe(3);
  });

  it("is renewed by another item where Plaid does not know its token any more", async () => {
    const grant = await connect();
    const access = accessOf(grant);
    await connector.rotateAccess?.(access, call());
    const given = { ...start, institutionId: grant.institutionId, reconnect: access };
    const begun = await connector.begin(given, call());
    const code = (await visit(begun.authUrl ?? "")).get("public_token") ?? "";
    const renewed = await connector.complete({ ...given, iss: "", code, proofs: begun.proofs }, call());
    expect(renewed).toMatchObject({ takesPlace: true, institutionId: grant.institutionId });
    expect(renewed.providerReference).not.toBe(grant.providerReference);
  });

  it("ends at Plaid when it is revoked, and again without complaint", async () => {
    const grant = await connect();
    await connector.revoke(grant.institutionId, { accessToken: grant.accessToken }, call());
    await connector.revoke(grant.institutionId, { accessToken: grant.accessToken }, call());
    await expect(connector.listAccounts(accessOf(grant), call())).rejects.toMatchObject({ failure: "grant_refused" });
  });
});

describe("accounts at Plaid", () => {
  it("are told in minor units, a debt as a negative balance, the number masked", async () => {
    const accounts = await connector.listAccounts(accessOf(await connect()), call());
    expect(accounts.map((account) => account.accountType)).toEqual(["CHECKING", "SAVINGS", "CREDIT_CARD"]);
    expect(accounts[0]).toMatchObject({ maskedNumber: "****0000", currency: "USD" });
    expect(accounts[2]?.balanceMinor).toBeLessThan(0n);
    expect(accounts.every((account) => typeof account.balanceMinor === "bigint")).toBe(true);
  });
});

describe("what is held in no currency of ISO 4217", () => {
  it("is left out with all that happened on it, and costs nothing else of its item", async () => {
    const access = accessOf(await connect("user_coin"));
    const accounts = await connector.listAccounts(access, call());
    expect(accounts.map((account) => account.accountType)).toEqual(["CHECKING"]);
    const { pages } = await syncAll(access);
    const added = pages.flatMap((page) => page.added);
    expect(new Set(added.map((each) => each.accountId))).toEqual(new Set([accounts[0]?.accountId]));
    expect(added.filter((each) => /bitcoin/i.test(each.description))).toEqual([]);
  });
});

describe("transactions at Plaid", () => {
  it("come page by page, money that leaves as a negative amount, and changes after a cursor", async () => {
    const grant = await connect();
    const access = accessOf(grant);
    const { pages, cursor } = await syncAll(access);
    expect(pages.length).toBeGreaterThan(1);
    const all = pages.flatMap((page) => page.added);
    expect(new Set(all.map((each) => each.transactionId)).size).toBe(all.length);
    const rent = all.find((each) => /rent/i.test(each.description));
    const pay = all.find((each) => each.category === "INCOME");
    expect(rent?.amountMinor).toBeLessThan(0n);
    expect(pay?.amountMinor).toBeGreaterThan(0n);
    expect(await sync(access, cursor)).toMatchObject({ added: [], hasMore: false });
    const disturb = (what: object) => plaid.control("POST", `/items/${grant.providerReference}/transactions`, what);
    await disturb({ modify: 2 });
    const changed = await sync(access, cursor);
    expect([changed.changed.length, changed.removed.length]).toEqual([2, 0]);
    await disturb({ remove: 1 });
    const removed = await sync(access, changed.nextCursor);
    expect([removed.changed.length, removed.removed.length]).toEqual([0, 1]);
  });

  it("begin the run again when they moved during it, and from the beginning with a cursor of another item", async () => {
    const grant = await connect();
    const access = accessOf(grant);
    await syncAll(access);
    const first = await sync(access, "");
    await plaid.control("POST", `/items/${grant.providerReference}/mutate-next-page`);
    expect((await sync(access, first.nextCursor)).restart).toBe("run");
    const foreign = (await syncAll(accessOf(await connect()))).cursor;
    expect((await sync(access, foreign)).restart).toBe("beginning");
  });
});

describe("Plaid on a bad day", () => {
  const notUnderstood = { failure: "unavailable", detail: "answer not understood" };
  const faults = [
    [{ kind: "html" }, { failure: "unavailable" }],
    [{ kind: "html", status: 200 }, { failure: "unavailable" }],
    [{ kind: "empty" }, { failure: "unavailable" }],
    [{ kind: "answer", text: "null" }, notUnderstood],
    [
      { kind: "answer", text: '{"accounts":7,"item":{"item_id":"i"},"request_id":"named-in-the-body"}' },
      { ...notUnderstood, correlationId: "named-in-the-body" },
    ],
    [{ kind: "half" }, { failure: "unavailable" }],
    [{ kind: "lost_answer" }, { failure: "unavailable" }],
    [{ kind: "server_error", status: 503 }, { failure: "unavailable" }],
    [
      { kind: "rate_limit", retryAfterSeconds: 7 },
      { failure: "rate_limited", retryAfterMs: 7_000 },
    ],
    [{ kind: "provider_error", code: "USER_PERMISSION_REVOKED" }, { failure: "grant_refused" }],
    [{ kind: "provider_error", code: "SOMETHING_NEW" }, { failure: "unavailable" }],
  ] as const;
  it.each(faults)("answers %j, which is %j", async (fault, expected) => {
    const access = accessOf(await connect());
    await plaid.control("POST", "/faults", { path: "/accounts/get", ...fault });
    const error = await connector.listAccounts(access, call()).catch((thrown: ProviderError) => thrown);
    expect(error).toMatchObject(expected);
    if ("detail" in expected) expect(error).toHaveProperty("correlationId", expect.stringMatching(/^[\w-]{8,}$/));
    expect((await connector.listAccounts(access, call())).length).toBe(3);
  });

  it("is not waited for longer than the call allows", async () => {
    const access = accessOf(await connect());
    await plaid.control("POST", "/faults", { path: "/accounts/get", kind: "latency", ms: 3_000 });
    await expect(connector.listAccounts(access, call(300))).rejects.toMatchObject({ failure: "unavailable" });
  });

  it("does not know us: that is our fault, not the person's; Plaid's request id is kept", async () => {
    const refused = makeConnector("wrong-secret").begin(start, call());
    await expect(refused).rejects.toMatchObject({ failure: "client_refused", correlationId: expect.any(String) });
  });
});

describe("a webhook of Plaid", () => {
  it("is proved and read; the same words signed at another time are another event", async () => {
    const grant = await connect();
    const itemId = grant.providerReference;
    await plaid.control("POST", `/items/${itemId}/webhook`, { code: "PENDING_EXPIRATION" });
    const first = rawOf(await plaid.webhook("PENDING_EXPIRATION"));
    await connector.webhook?.verify(first, call());
    const [event] = (await connector.webhook?.read(first, call())) ?? [];
    expect(event).toMatchObject({ providerReference: itemId, type: "ITEM.PENDING_EXPIRATION" });
    expect(event?.effect.kind).toBe("expiring");
    expect(Date.parse(event?.effect.detail ?? "")).toBeGreaterThan(0);
    plaid.clock.advance(2_000);
    await plaid.control("POST", `/items/${itemId}/webhook`, { code: "PENDING_EXPIRATION" });
    const second = rawOf(await plaid.webhook("PENDING_EXPIRATION"));
    expect((await connector.webhook?.read(second, call()))?.[0]?.eventId).not.toBe(event?.eventId);
  });

  it.each([
    ["SYNC_UPDATES_AVAILABLE", "sync_transactions"],
    ["ERROR", "reauthorize"],
    ["PENDING_DISCONNECT", "expiring"],
    ["USER_PERMISSION_REVOKED", "consent_revoked"],
    ["USER_ACCOUNT_REVOKED", "sync_accounts"],
    ["LOGIN_REPAIRED", "healed"],
    ["NEW_ACCOUNTS_AVAILABLE", "ignore"],
  ])("%s means %s", async (code, kind) => {
    const { providerReference } = await connect();
    await plaid.control("POST", `/items/${providerReference}/webhook`, { code });
    const webhook = await webhookOf(providerReference, code);
    expect((await connector.webhook?.read(rawOf(webhook), call()))?.[0]?.effect.kind).toBe(kind);
  });

  it("that is forged, or whose body lost a space, is refused", async () => {
    const { providerReference } = await connect();
    const path = `/items/${providerReference}/webhook`;
    await plaid.control("POST", path, { code: "LOGIN_REPAIRED", signature: "wrong_key" });
    const forged = connector.webhook?.verify(rawOf(await webhookOf(providerReference, "LOGIN_REPAIRED")), call());
    await expect(forged).rejects.toMatchObject({ name: "WebhookRefused" });
    await plaid.control("POST", path, { code: "USER_ACCOUNT_REVOKED", signature: "wrong_body" });
    const changed = connector.webhook?.verify(
      rawOf(await webhookOf(providerReference, "USER_ACCOUNT_REVOKED")),
      call(),
    );
    await expect(changed).rejects.toMatchObject({ reason: "body_changed" });
  });

  it("cannot be judged while Plaid tells no keys: that is an outage, not a forgery", async () => {
    const { providerReference } = await connect();
    await plaid.control("POST", "/webhook-keys/rotate");
    await plaid.control("POST", `/items/${providerReference}/webhook`, { code: "NEW_ACCOUNTS_AVAILABLE" });
    const webhook = await webhookOf(providerReference, "NEW_ACCOUNTS_AVAILABLE");
    await plaid.control("POST", "/faults", { kind: "server_error", path: "/webhook_verification_key/get" });
    const request = rawOf(webhook);
    await expect(connector.webhook?.verify(request, call())).rejects.toMatchObject({ failure: "unavailable" });
    await connector.webhook?.verify(request, call());
  });
});

it("lists the institutions of its countries by name", async () => {
  const institutions = await connector.listInstitutions(call());
  const names = institutions.map((each) => each.name);
  expect(names).toContain("First Platypus Bank");
  expect(names).toEqual([...names].sort((one, other) => one.localeCompare(other, "en")));
});
