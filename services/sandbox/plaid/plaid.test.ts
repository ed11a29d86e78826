import { createHash } from "node:crypto";
import fc from "fast-check";
import { decodeProtectedHeader, importJWK, type JWK, jwtVerify } from "jose";
import {
  CountryCode,
  type PlaidApi,
  Products,
  type RemovedTransaction,
  SandboxItemFireWebhookRequestWebhookCodeEnum,
  type Transaction,
} from "plaid";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { FormBrowser } from "../../platform/testing/form-browser.ts";
import { findVendorFile, openVendorDescription } from "../kit/testing/vendor-description.ts";
import type { ReceivedWebhook } from "../kit/testing/webhook-receiver.ts";
import { type RunningPlaid, startPlaid } from "./testing/start-plaid.ts";

let plaid: RunningPlaid;
const answered: { path: string; status: number; body: string }[] = [];

beforeAll(async () => {
  plaid = await startPlaid({ onAnswer: (path, status, body) => answered.push({ path, status, body }) });
});
afterAll(async () => plaid?.stop());

const back = "http://127.0.0.1:65000/callback";

/** Links as a person does and gives the address the browser is sent to. */
async function link(
  options: { accessToken?: string; bank?: string; username?: string; state?: string } = {},
): Promise<URL> {
  const created = await plaid.client.linkTokenCreate({
    client_name: "Paymesh Test",
    language: "en",
    country_codes: [CountryCode.Us, CountryCode.Ca],
    user: { client_user_id: "user-1" },
    ...(options.accessToken === undefined
      ? { products: [Products.Transactions] }
      : { access_token: options.accessToken }),
    webhook: plaid.receiver.url,
    redirect_uri: back,
  });
  const browser = new FormBrowser();
  const state = options.state === undefined ? "" : `&state=${options.state}`;
  let page = await browser.open(`${plaid.origin}/link?token=${created.data.link_token}${state}`);
  if (options.accessToken === undefined) page = await browser.press(page, options.bank ?? "First Platypus Bank");
  page = await browser.press(page, "Sign in", { "User name": options.username ?? "user_good", Password: "pass_good" });
  const end = await browser.press(page, "Allow", {}, (location) => location.startsWith(back));
  return new URL(end.url);
}

/** An item with its whole history there. */
async function linkedItem(
  options: { institution?: string; product?: Products } = {},
): Promise<{ accessToken: string; itemId: string }> {
  const made = await plaid.client.sandboxPublicTokenCreate({
    institution_id: options.institution ?? "ins_109508",
    initial_products: [options.product ?? Products.Transactions],
    options: { webhook: plaid.receiver.url },
  });
  const { data } = await plaid.client.itemPublicTokenExchange({ public_token: made.data.public_token });
  return { accessToken: data.access_token, itemId: data.item_id };
}

async function readyItem(): Promise<{ accessToken: string; itemId: string }> {
  const item = await linkedItem();
  await untilReady(plaid.client, item.accessToken);
  return item;
}

async function untilReady(client: PlaidApi, accessToken: string): Promise<void> {
  for (let attempt = 0; attempt < 800; attempt += 1) {
    const { data } = await client.transactionsSync({ access_token: accessToken, count: 1 });
    if (data.transactions_update_status === "HISTORICAL_UPDATE_COMPLETE") return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error("the history did not come");
}

async function syncAll(accessToken: string, from = "", count = 500) {
  const all = { added: [] as Transaction[], modified: [] as Transaction[], removed: [] as RemovedTransaction[] };
  let cursor = from;
  for (let pages = 1; ; pages += 1) {
    const { data } = await plaid.client.transactionsSync({ access_token: accessToken, cursor, count });
    all.added.push(...data.added);
    all.modified.push(...data.modified);
    all.removed.push(...data.removed);
    cursor = data.next_cursor;
    if (!data.has_more) return { ...all, cursor, pages };
  }
}

/** Plaid's code of a refused call. */
async function refusal(call: Promise<unknown>): Promise<unknown> {
  const error = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  return (error as { response?: { data?: { error_code?: string } } } | undefined)?.response?.data?.error_code;
}

const verificationOf = (webhook: ReceivedWebhook) => String(webhook.headers["plaid-verification"]);

/** Checks a webhook as Plaid's documentation says. Throws when it must not be trusted. */
async function verify(webhook: ReceivedWebhook): Promise<void> {
  const header = decodeProtectedHeader(verificationOf(webhook));
  if (header.alg !== "ES256") throw new Error("algorithm");
  const { data } = await plaid.client.webhookVerificationKeyGet({ key_id: header.kid ?? "" });
  if (data.key.expired_at !== null) throw new Error("expired key");
  const key = await importJWK(data.key as unknown as JWK, "ES256"); // the vendor's type of a JWK
  const { payload } = await jwtVerify(verificationOf(webhook), key, {
    maxTokenAge: "5 min",
    currentDate: plaid.clock.now(),
  });
  const digest = createHash("sha256").update(webhook.raw).digest("hex");
  if (payload["request_body_sha256"] !== digest) throw new Error("body");
}

describe("a wallet in bitcoin", () => {
  it("is told with its transactions in a code that is none of ISO 4217", async () => {
    const made = await plaid.client.sandboxPublicTokenCreate({
      institution_id: "ins_109508",
      initial_products: [Products.Transactions],
      options: { override_username: "user_coin" },
    });
    const { data } = await plaid.client.itemPublicTokenExchange({ public_token: made.data.public_token });
    await untilReady(plaid.client, data.access_token);
    const { accounts } = (await plaid.client.accountsGet({ access_token: data.access_token })).data;
    const wallet = accounts.find((each) => each.subtype === "crypto exchange");
    const codes = { iso_currency_code: null, unofficial_currency_code: "BTC" };
    expect(wallet).toMatchObject({ type: "investment", balances: codes });
    const { added } = await syncAll(data.access_token);
    const bought = added.filter((each) => each.account_id === wallet?.account_id);
    expect(bought.length).toBeGreaterThan(5);
    for (const each of bought) expect(each).toMatchObject(codes);
  });
});

describe("Link", () => {
  it("lets the official client link, read, rotate and remove an item", async () => {
    const returned = await link({ state: "s-1" });
    expect(returned.searchParams.get("state")).toBe("s-1");
    const publicToken = returned.searchParams.get("public_token") ?? "";
    const { data: tokens } = await plaid.client.itemPublicTokenExchange({ public_token: publicToken });
    expect(await refusal(plaid.client.itemPublicTokenExchange({ public_token: publicToken }))).toBe(
      "INVALID_PUBLIC_TOKEN",
    );
    const { data: accounts } = await plaid.client.accountsGet({ access_token: tokens.access_token });
    expect(accounts.accounts.map((each) => each.subtype)).toEqual(["checking", "savings", "credit card"]);
    await untilReady(plaid.client, tokens.access_token);
    const history = await syncAll(tokens.access_token);
    expect(history.added.length).toBeGreaterThan(200);
    const days = history.added.map((each) => each.date).sort();
    expect(Date.parse(days.at(-1) ?? "") - Date.parse(days[0] ?? "")).toBeGreaterThan(170 * 86_400_000);
    await plaid.client.accountsBalanceGet({ access_token: tokens.access_token });
    await plaid.client.itemWebhookUpdate({ access_token: tokens.access_token, webhook: plaid.receiver.url });
    await plaid.webhook("WEBHOOK_UPDATE_ACKNOWLEDGED");
    const { data: rotated } = await plaid.client.itemAccessTokenInvalidate({ access_token: tokens.access_token });
    expect(await refusal(plaid.client.itemGet({ access_token: tokens.access_token }))).toBe("INVALID_ACCESS_TOKEN");
    expect((await plaid.client.itemGet({ access_token: rotated.new_access_token })).data.item.item_id).toBe(
      tokens.item_id,
    );
    await plaid.client.itemRemove({ access_token: rotated.new_access_token });
    expect(await refusal(plaid.client.accountsGet({ access_token: rotated.new_access_token }))).toBe("ITEM_NOT_FOUND");
  });

  it("repairs an item in update mode and leaves its access token as it is", async () => {
    const { accessToken, itemId } = await readyItem();
    await plaid.client.sandboxItemResetLogin({ access_token: accessToken });
    expect(await refusal(plaid.client.transactionsSync({ access_token: accessToken }))).toBe("ITEM_LOGIN_REQUIRED");
    const told = await plaid.webhook("ERROR");
    expect(told.body).toMatchObject({ item_id: itemId, error: { error_code: "ITEM_LOGIN_REQUIRED" } });
    const publicToken = (await link({ accessToken })).searchParams.get("public_token") ?? "";
    expect((await plaid.client.itemGet({ access_token: accessToken })).data.item.error).toBeNull();
    const { data } = await plaid.client.itemPublicTokenExchange({ public_token: publicToken });
    expect(data.access_token).toBe(accessToken);
  });

  it("does not let another person repair an item", async () => {
    const { accessToken } = await linkedItem();
    await expect(link({ accessToken, username: "user_maria" })).rejects.toThrow('no button "Allow"');
  });

  it("ends with an error when the person leaves, and is over then", async () => {
    const { data } = await plaid.client.linkTokenCreate({
      client_name: "Paymesh Test",
      language: "en",
      country_codes: [CountryCode.Us],
      user: { client_user_id: "user-1" },
      products: [Products.Transactions],
      hosted_link: { completion_redirect_uri: back },
    });
    const browser = new FormBrowser();
    const first = await browser.open(data.hosted_link_url ?? "");
    expect(first.text).not.toContain("Aurora Pacific Bank");
    const end = await browser.press(first, "Cancel", {}, (location) => location.startsWith(back));
    expect(new URL(end.url).searchParams.get("error")).toBe("access_denied");
    expect((await browser.open(data.hosted_link_url ?? "")).status).toBe(409);
  });

  it("tells the public token of a finished session to who holds the link token", async () => {
    const { data } = await plaid.client.linkTokenCreate({
      client_name: "Paymesh Test",
      language: "en",
      country_codes: [CountryCode.Us],
      user: { client_user_id: "user-1" },
      products: [Products.Transactions],
      webhook: plaid.receiver.url,
      hosted_link: {},
    });
    const browser = new FormBrowser();
    const bank = await browser.press(await browser.open(data.hosted_link_url ?? ""), "First Gingham Credit Union");
    const wrong = await browser.press(bank, "Sign in", { "User name": "user_sam", Password: "no" });
    expect(wrong.text).toContain("not right");
    const consent = await browser.press(wrong, "Sign in", { "User name": "user_sam", Password: "pass_good" });
    expect((await browser.press(consent, "Allow")).text).toContain("All set");
    const { data: told } = await plaid.client.linkTokenGet({ link_token: data.link_token });
    const publicToken = told.link_sessions?.[0]?.results?.item_add_results[0]?.public_token ?? "";
    expect((await plaid.webhook("SESSION_FINISHED")).body["public_tokens"]).toEqual([publicToken]);
    expect((await plaid.client.itemPublicTokenExchange({ public_token: publicToken })).data.item_id).not.toBe("");
  });

  it("refuses to end at an address of another machine", async () => {
    const create = plaid.client.linkTokenCreate({
      client_name: "Paymesh Test",
      language: "en",
      country_codes: [CountryCode.Us],
      user: { client_user_id: "user-1" },
      products: [Products.Transactions],
      redirect_uri: "https://elsewhere.example/callback",
    });
    expect(await refusal(create)).toBe("INVALID_FIELD");
  });
});

describe("transactions", () => {
  it("pages through the history and gives each transaction once", async () => {
    const { accessToken } = await readyItem();
    const whole = await syncAll(accessToken);
    const paged = await syncAll(accessToken, "", 37);
    expect(paged.pages).toBeGreaterThan(5);
    expect(paged.added.map((each) => each.transaction_id)).toEqual(whole.added.map((each) => each.transaction_id));
    expect(new Set(paged.added.map((each) => each.transaction_id)).size).toBe(whole.added.length);
    expect((await syncAll(accessToken, paged.cursor)).added).toEqual([]);
  });

  it("turns pending into posted by removing one and adding another that names it", async () => {
    const { accessToken } = await readyItem();
    await refresh(accessToken);
    const before = await syncAll(accessToken);
    const pending = before.added.filter((each) => each.pending);
    expect(pending.length).toBeGreaterThan(0);
    await refresh(accessToken);
    const after = await syncAll(accessToken, before.cursor);
    const gone = after.removed.map((each) => each.transaction_id).sort();
    expect(gone).toEqual(pending.map((each) => each.transaction_id).sort());
    const successors = after.added.filter((each) => !each.pending).map((each) => each.pending_transaction_id);
    expect(successors.sort()).toEqual(gone);
  });

  it("tells modified and removed transactions, and nothing of those that came and went", async () => {
    const { accessToken, itemId } = await readyItem();
    const before = await syncAll(accessToken);
    await plaid.control("POST", `/items/${itemId}/transactions`, { remove: 1 });
    await plaid.control("POST", `/items/${itemId}/transactions`, { modify: 2 });
    const after = await syncAll(accessToken, before.cursor);
    expect([after.added.length, after.modified.length, after.removed.length]).toEqual([0, 2, 1]);
    const fresh = await syncAll(accessToken);
    expect(fresh.removed).toEqual([]);
    expect(fresh.added.length).toBe(before.added.length - 1);
  });

  it("refuses the next page when something changed, and works again from the first cursor", async () => {
    const { accessToken, itemId } = await readyItem();
    const { data: first } = await plaid.client.transactionsSync({ access_token: accessToken, count: 10 });
    await plaid.control("POST", `/items/${itemId}/mutate-next-page`);
    const next = plaid.client.transactionsSync({ access_token: accessToken, count: 10, cursor: first.next_cursor });
    expect(await refusal(next)).toBe("TRANSACTIONS_SYNC_MUTATION_DURING_PAGINATION");
    expect((await syncAll(accessToken)).added.length).toBeGreaterThan(200);
  });

  it("leads a reader who applies every change to what a new reader sees, whatever happens in between", async () => {
    const happening = fc.oneof(
      fc.record({ modify: fc.integer({ min: 1, max: 5 }) }),
      fc.record({ remove: fc.integer({ min: 1, max: 5 }) }),
      fc.constant({ refresh: true }),
      fc.record({ readPagesOf: fc.integer({ min: 5, max: 60 }) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(happening, { minLength: 2, maxLength: 6 }), async (happenings) => {
        const { accessToken, itemId } = await readyItem();
        const reader = new Map<string, Transaction>();
        let cursor = "";
        const read = async (count: number) => {
          const changes = await syncPatiently(accessToken, cursor, count);
          for (const each of changes.added) expect(reader.has(each.transaction_id)).toBe(false);
          for (const each of changes.modified) expect(reader.has(each.transaction_id)).toBe(true);
          for (const each of changes.removed) expect(reader.delete(each.transaction_id)).toBe(true);
          for (const each of [...changes.added, ...changes.modified]) reader.set(each.transaction_id, each);
          cursor = changes.cursor;
        };
        for (const each of happenings) {
          if ("readPagesOf" in each) await read(each.readPagesOf);
          else await plaid.control("POST", `/items/${itemId}/transactions`, each);
        }
        await vi.waitFor(async () => {
          await read(500);
          const fresh = await syncPatiently(accessToken, "", 500);
          const byId = new Map(fresh.added.map((each) => [each.transaction_id, each]));
          expect(fresh.cursor).toBe(cursor);
          expect(reader).toEqual(byId);
        }, 20_000);
      }),
      { numRuns: 6 },
    );
  });

  /** Starts again from the first cursor when something changed between two pages, as Plaid asks. */
  async function syncPatiently(accessToken: string, from: string, count: number) {
    for (let attempt = 0; attempt < 20; attempt += 1) {
      try {
        return await syncAll(accessToken, from, count);
      } catch (error) {
        if ((await refusal(Promise.reject(error))) !== "TRANSACTIONS_SYNC_MUTATION_DURING_PAGINATION") throw error;
      }
    }
    throw new Error("the item never came to rest");
  }

  it("refuses a cursor of another item", async () => {
    const [mine, other] = [await readyItem(), await readyItem()];
    const { cursor } = await syncAll(other.accessToken);
    expect(await refusal(plaid.client.transactionsSync({ access_token: mine.accessToken, cursor }))).toBe(
      "INVALID_FIELD",
    );
  });

  it("keeps the balance equal to the opening balance and the posted transactions", async () => {
    const { accessToken } = await readyItem();
    const { data } = await plaid.client.accountsGet({ access_token: accessToken });
    const { added } = await syncAll(accessToken);
    const checking = data.accounts[0];
    const cents = (amount: number) => Math.round(amount * 100);
    const spent = added
      .filter((each) => each.account_id === checking?.account_id && !each.pending)
      .reduce((sum, each) => sum + cents(each.amount), 0);
    expect(cents(checking?.balances.current ?? 0)).toBe(721_050 - spent);
  });

  async function refresh(accessToken: string): Promise<void> {
    const { cursor } = await syncAll(accessToken);
    await plaid.client.transactionsRefresh({ access_token: accessToken });
    for (let attempt = 0; attempt < 800; attempt += 1) {
      if ((await syncAll(accessToken, cursor)).added.length > 0) return;
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
    throw new Error("the refresh brought nothing");
  }
});

describe("webhooks", () => {
  it("are signed so that Plaid's own check passes, and by a new key after a rotation", async () => {
    const { accessToken } = await linkedItem();
    const fire = async () => {
      await plaid.client.sandboxItemFireWebhook({
        access_token: accessToken,
        webhook_code: SandboxItemFireWebhookRequestWebhookCodeEnum.NewAccountsAvailable,
      });
      return plaid.webhook("NEW_ACCOUNTS_AVAILABLE");
    };
    const first = await fire();
    await verify(first);
    const rotated = await plaid.control("POST", "/webhook-keys/rotate");
    await expect(verify(first)).rejects.toThrow("expired key");
    const second = await fire();
    await verify(second);
    expect(decodeProtectedHeader(verificationOf(second)).kid).toBe(rotated.body["kid"]);
  });

  it.each(["wrong_key", "wrong_body", "stale", "missing", "wrong_algorithm"])(
    "are refused by that check when signed as %s",
    async (signature) => {
      const { itemId } = await linkedItem();
      await plaid.control("POST", `/items/${itemId}/webhook`, { code: "LOGIN_REPAIRED", signature });
      await expect(verify(await plaid.webhook("LOGIN_REPAIRED"))).rejects.toThrow();
    },
  );

  it("come again until the receiver takes them", async () => {
    const { itemId } = await linkedItem();
    const statuses = [500, 503];
    plaid.receiver.answer = ({ body }) =>
      (body["webhook_code"] === "USER_ACCOUNT_REVOKED" ? statuses.shift() : undefined) ?? 200;
    await plaid.control("POST", `/items/${itemId}/webhook`, { code: "USER_ACCOUNT_REVOKED" });
    const arrived = () =>
      plaid.receiver.received.filter((each) => each.body["webhook_code"] === "USER_ACCOUNT_REVOKED");
    for (let attempt = 0; attempt < 400 && arrived().length < 3; attempt += 1) {
      plaid.clock.advance(1_000);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    expect(new Set(arrived().map((each) => each.raw)).size).toBe(1);
    for (const each of arrived()) await verify(each);
    const delivered = { eventType: "USER_ACCOUNT_REVOKED", state: "delivered", attempts: 3 };
    await vi.waitFor(async () => {
      const { body } = await plaid.control("GET", "/webhooks");
      expect(body["webhooks"]).toContainEqual(expect.objectContaining(delivered));
    }, 20_000);
  });

  it("tell of consents that end, and the item needs its person when they have", async () => {
    const { accessToken, itemId } = await linkedItem({ institution: "ins_900001" });
    const { data } = await plaid.client.itemGet({ access_token: accessToken });
    expect(data.item.consent_expiration_time).not.toBeNull();
    const told = (code: string) =>
      plaid.receiver.next(({ body }) => body["webhook_code"] === code && body["item_id"] === itemId);
    await plaid.control("POST", `/items/${itemId}/consent-expiration`, { inSeconds: 3 * 86_400 });
    await told("PENDING_EXPIRATION");
    await plaid.control("POST", `/items/${itemId}/consent-expiration`, { inSeconds: -1 });
    await told("ERROR");
    expect(await refusal(plaid.client.accountsGet({ access_token: accessToken }))).toBe("ITEM_LOGIN_REQUIRED");
    await plaid.control("POST", `/items/${itemId}/login-repaired`);
    await told("LOGIN_REPAIRED");
  });

  it("tell of a permission taken back, and the item answers no more", async () => {
    const { accessToken, itemId } = await linkedItem();
    await plaid.control("POST", `/items/${itemId}/revoke`, {});
    await plaid.webhook("USER_PERMISSION_REVOKED");
    expect(await refusal(plaid.client.accountsGet({ access_token: accessToken }))).toBe("USER_PERMISSION_REVOKED");
    expect((await plaid.client.itemRemove({ access_token: accessToken })).status).toBe(200);
  });

  it("tell of a disconnection ahead and of new transactions to sync", async () => {
    const { itemId } = await readyItem();
    await plaid.control("POST", `/items/${itemId}/pending-disconnect`, { reason: "INSTITUTION_MIGRATION" });
    expect((await plaid.webhook("PENDING_DISCONNECT")).body["reason"]).toBe("INSTITUTION_MIGRATION");
    await plaid.control("POST", `/items/${itemId}/transactions`, { modify: 1 });
    const told = await plaid.webhook("SYNC_UPDATES_AVAILABLE");
    expect(told.body).toMatchObject({ initial_update_complete: true });
  });
});

describe("refusals and faults", () => {
  it("refuses wrong credentials, unknown versions, missing fields and unreadable bodies in Plaid's words", async () => {
    const { accessToken } = await linkedItem();
    const codeOf = async (answer: Promise<Response>) =>
      ((await (await answer).json()) as { error_code: string }).error_code;
    expect(await codeOf(plaid.post("/item/get", { secret: "wrong", access_token: accessToken }))).toBe(
      "INVALID_API_KEYS",
    );
    expect(await codeOf(plaid.post("/item/get", {}))).toBe("MISSING_FIELDS");
    expect(await codeOf(plaid.post("/item/get", { access_token: "access-production-1" }))).toBe("INVALID_ACCESS_TOKEN");
    expect(await codeOf(plaid.post("/no/such/endpoint", {}))).toBe("NOT_FOUND");
    const headers = { "content-type": "application/json" };
    expect(await codeOf(fetch(`${plaid.origin}/item/get`, { method: "POST", headers, body: "{" }))).toBe(
      "INVALID_BODY",
    );
    const old = { ...headers, "plaid-version": "2019-05-29" };
    expect(await codeOf(fetch(`${plaid.origin}/item/get`, { method: "POST", headers: old, body: "{}" }))).toBe(
      "INVALID_HEADERS",
    );
  });

  it("keeps the control API closed without its key", async () => {
    expect((await fetch(`${plaid.origin}/_control/items`)).status).toBe(401);
  });

  it("shows each fault as asked, the asked number of times", async () => {
    const { accessToken } = await linkedItem();
    const call = () => plaid.post("/item/get", { access_token: accessToken });
    const strike = (fault: object) => plaid.control("POST", "/faults", { path: "/item/get", ...fault });
    await strike({ kind: "rate_limit", retryAfterSeconds: 7 });
    const limited = await call();
    expect([limited.status, limited.headers.get("retry-after")]).toEqual([429, "7"]);
    await strike({ kind: "server_error", status: 503 });
    expect((await call()).status).toBe(503);
    await strike({ kind: "html" });
    expect(await (await call()).text()).toContain("<html>");
    await strike({ kind: "empty" });
    expect(await (await call()).text()).toBe("");
    await strike({ kind: "half" });
    await expect(call().then((answer) => answer.json())).rejects.toThrow();
    await strike({ kind: "provider_error", type: "INSTITUTION_ERROR", code: "INSTITUTION_DOWN" });
    expect((await (await call()).json()).error_code).toBe("INSTITUTION_DOWN");
    await strike({ kind: "latency", ms: 150 });
    const began = Date.now();
    expect((await call()).status).toBe(200);
    expect(Date.now() - began).toBeGreaterThanOrEqual(145);
    expect((await call()).status).toBe(200);
  });

  it("loses an answer after its effect, and says so in the list of calls without secrets", async () => {
    const { accessToken } = await linkedItem();
    await plaid.control("DELETE", "/calls");
    await plaid.control("POST", "/faults", { path: "/item/access_token/invalidate", kind: "lost_answer" });
    await expect(plaid.post("/item/access_token/invalidate", { access_token: accessToken })).rejects.toThrow();
    expect(await refusal(plaid.client.itemGet({ access_token: accessToken }))).toBe("INVALID_ACCESS_TOKEN");
    const listed = await plaid.control("GET", "/calls?path=/item/access_token/invalidate");
    expect(listed.body["calls"]).toMatchObject([
      { fault: "lost_answer", status: null, fields: ["client_id", "secret", "access_token"] },
    ]);
    expect(JSON.stringify(listed.body)).not.toContain(accessToken);
  });

  it("gives a public token to one of several exchanges at once", async () => {
    const made = await plaid.client.sandboxPublicTokenCreate({
      institution_id: "ins_109509",
      initial_products: [Products.Transactions],
    });
    const tries = Array.from({ length: 6 }, () =>
      plaid.post("/item/public_token/exchange", { public_token: made.data.public_token }),
    );
    const statuses = (await Promise.all(tries)).map((answer) => answer.status);
    expect(statuses.filter((each) => each === 200)).toHaveLength(1);
  });

  it("lets tokens expire as the settings say", async () => {
    await plaid.control("PATCH", "/settings", { publicTokenSeconds: 60 });
    const made = await plaid.client.sandboxPublicTokenCreate({
      institution_id: "ins_109509",
      initial_products: [Products.Transactions],
    });
    plaid.clock.advance(61_000);
    expect(await refusal(plaid.client.itemPublicTokenExchange({ public_token: made.data.public_token }))).toBe(
      "INVALID_PUBLIC_TOKEN",
    );
    await plaid.control("PATCH", "/settings", { publicTokenSeconds: 1800 });
  });
});

describe("institutions", () => {
  it("are listed, searched and found by id for the countries asked for", async () => {
    const { data: all } = await plaid.client.institutionsGet({
      count: 10,
      offset: 0,
      country_codes: [CountryCode.Us, CountryCode.Ca],
    });
    expect(all.total).toBe(3);
    const { data: found } = await plaid.client.institutionsSearch({
      query: "gingham",
      country_codes: [CountryCode.Us],
      products: [Products.Transactions],
    });
    expect(found.institutions.map((each) => each.institution_id)).toEqual(["ins_109509"]);
    const byId = {
      institution_id: "ins_900001",
      country_codes: [CountryCode.Ca],
      options: { include_optional_metadata: true },
    };
    expect((await plaid.client.institutionsGetById(byId)).data.institution.oauth).toBe(true);
    expect(await refusal(plaid.client.institutionsGetById({ ...byId, country_codes: [CountryCode.Us] }))).toBe(
      "INVALID_INSTITUTION",
    );
  });
});

const vendorFile = findVendorFile("plaid-2020-09-14.yml");
if (vendorFile === undefined) {
  process.stderr.write(
    "SKIPPED: Plaid's OpenAPI file is not there; set PAYMESH_VENDOR_DIR to check the sandbox against it\n",
  );
}

// Last in the file: it looks at every answer and webhook of the tests above.
describe.skipIf(vendorFile === undefined)("the vendor's description", () => {
  const open = () => openVendorDescription(vendorFile ?? new URL("file:///absent"), { errorSchema: "PlaidError" });

  const endpoints = [
    "/link/token/create",
    "/link/token/get",
    "/item/public_token/exchange",
    "/item/get",
    "/item/remove",
    "/item/webhook/update",
    "/item/access_token/invalidate",
    "/accounts/get",
    "/accounts/balance/get",
    "/transactions/sync",
    "/transactions/refresh",
    "/institutions/get",
    "/institutions/get_by_id",
    "/institutions/search",
    "/webhook_verification_key/get",
    "/sandbox/public_token/create",
    "/sandbox/item/reset_login",
    "/sandbox/item/fire_webhook",
  ];

  it("holds for every answer given above, one of each endpoint at least", () => {
    const description = open();
    const json = answered.filter((each) => each.body.startsWith("{"));
    const good = new Set(json.filter((each) => each.status === 200).map((each) => each.path));
    expect(endpoints.filter((each) => !good.has(each))).toEqual([]);
    const problems = json.map((each) => {
      const problem = description.problemOfAnswer({ method: "POST", ...each });
      return problem === undefined ? undefined : `${each.path} ${each.status}: ${problem}`;
    });
    expect(problems.filter((each) => each !== undefined)).toEqual([]);
    // The check itself can fail.
    expect(
      description.problemOfAnswer({ method: "POST", path: "/item/get", status: 200, body: '{"request_id":"x"}' }),
    ).toContain("item");
  });

  it("holds for every webhook sent above", () => {
    const description = open();
    const schemas: Readonly<Record<string, string>> = {
      SYNC_UPDATES_AVAILABLE: "SyncUpdatesAvailableWebhook",
      INITIAL_UPDATE: "InitialUpdateWebhook",
      HISTORICAL_UPDATE: "HistoricalUpdateWebhook",
      DEFAULT_UPDATE: "DefaultUpdateWebhook",
      ERROR: "ItemErrorWebhook",
      LOGIN_REPAIRED: "ItemLoginRepairedWebhook",
      NEW_ACCOUNTS_AVAILABLE: "NewAccountsAvailableWebhook",
      USER_PERMISSION_REVOKED: "UserPermissionRevokedWebhook",
      USER_ACCOUNT_REVOKED: "UserAccountRevokedWebhook",
      PENDING_EXPIRATION: "PendingExpirationWebhook",
      PENDING_DISCONNECT: "PendingDisconnectWebhook",
      WEBHOOK_UPDATE_ACKNOWLEDGED: "WebhookUpdateAcknowledgedWebhook",
      SESSION_FINISHED: "LinkSessionFinishedWebhook",
    };
    const seen = new Set(plaid.receiver.received.map((each) => String(each.body["webhook_code"])));
    expect(Object.keys(schemas).filter((code) => !seen.has(code))).toEqual([]);
    const problems = plaid.receiver.received.map((each) => {
      const code = String(each.body["webhook_code"]);
      const problem = description.problemOf(schemas[code] ?? code, each.body);
      return problem === undefined ? undefined : `${code}: ${problem}`;
    });
    expect(problems.filter((each) => each !== undefined)).toEqual([]);
  });
});
