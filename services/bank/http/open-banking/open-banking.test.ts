import { createSecretKey } from "node:crypto";
import { decodeJwt, SignJWT } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { inTransaction } from "../../../platform/db/transaction.ts";
import { journalEntry } from "../../domain/journal.ts";
import { postEntry } from "../../storage/ledger.ts";
import { type IdentityUnderTest, startIdentity, type TestCustomer } from "../../testing/identity-under-test.ts";

const scope = "openid profile email wallet:enroll fdx:accountdetailed:read fdx:transactions:read offline_access";
const dayMs = 86_400_000;

let bank: IdentityUnderTest;
let customer: TestCustomer;
let accessToken: string;
beforeAll(async () => {
  bank = await startIdentity();
  customer = await bank.addCustomer();
  accessToken = (await bank.enrol(customer, { scope })).access_token;
  for (let day = 5; day >= 1; day -= 1) await move(`Day ${day}`, day === 3 ? -2_550n : 10_000n, day);
  await move("Long ago", 1n, 120);
});
afterAll(() => bank.stop());

/** Moves money on the chequing account, so many days ago. */
function move(description: string, amountMinor: bigint, daysAgo: number) {
  return inTransaction(bank.db, (tx) =>
    postEntry(tx, {
      entry: journalEntry(amountMinor > 0n ? "deposit" : "withdrawal", description, [
        { target: { kind: "deposit", accountId: customer.chequing }, amountMinor: -amountMinor },
        { target: { kind: "clearing" }, amountMinor },
      ]),
      currency: "CAD",
      postedAt: new Date(bank.clock.now().getTime() - daysAgo * dayMs),
    }),
  );
}

async function get(path: string, token: string | null = accessToken) {
  const response = await fetch(`${bank.origin}/open-banking${path}`, {
    headers: token === null ? {} : { authorization: `Bearer ${token}` },
  });
  return { status: response.status, headers: response.headers, body: await response.json() };
}

describe("accounts", () => {
  it("have the members and nesting of the contract, and balances in dollars", async () => {
    const { status, body } = await get("/accounts");
    expect(status).toBe(200);
    expect(body.page).toBeUndefined();
    const account = body.accounts.find((each: { accountId: string }) => each.accountId === customer.chequing);
    expect(account).toMatchObject({
      accountId: customer.chequing,
      accountNumber: "****1001",
      accountNumberDisplay: "****1001",
      accountType: "CHEQUING",
      status: "OPEN",
      currency: { currencyCode: "CAD" },
      balance: { current: 374.51, available: 374.51, asOf: expect.stringMatching(/Z$/) },
      accountHolder: { name: "Ada Example" },
      openedDate: "2020-01-01",
    });
    const one = await get(`/accounts/${customer.chequing}`);
    expect(one.body.account).toMatchObject({
      accountId: customer.chequing,
      accountHolder: { name: "Ada Example", email: customer.email },
    });
  });

  it("are paged, at most a hundred at once", async () => {
    const first = await get("/accounts?limit=1");
    expect(first.body.accounts).toHaveLength(1);
    expect(first.body.page).toEqual({ nextOffset: 1 });
    const second = await get("/accounts?limit=1&offset=1");
    expect(second.body.accounts).toHaveLength(1);
    expect(second.body.page).toBeUndefined();
    expect(second.body.accounts[0].accountId).not.toBe(first.body.accounts[0].accountId);
    expect((await get("/accounts?limit=1000000")).status).toBe(200);
    for (const query of ["limit=0", "limit=-1", "limit=ten", "offset=1.5", "offset=99999999999"]) {
      const { status, body } = await get(`/accounts?${query}`);
      expect([query, status, body.error]).toEqual([query, 400, "invalid_request"]);
      expect(body.error_description).toBe(body.message);
    }
  });

  it("are only the customer's own and consented ones", async () => {
    const other = await bank.addCustomer("Other Person");
    expect((await get(`/accounts/${other.chequing}`)).status).toBe(404);
    expect((await get(`/accounts/${other.chequing}/transactions`)).status).toBe(404);
    await bank.db.pool.query("update consents set account_ids = array[$1::uuid] where customer_id = $2", [
      customer.chequing,
      customer.id,
    ]);
    const { body } = await get("/accounts");
    expect(body.accounts.map((each: { accountId: string }) => each.accountId)).toEqual([customer.chequing]);
    // A consent that names another's account still opens nothing.
    await bank.db.pool.query("update consents set account_ids = account_ids || $1::uuid where customer_id = $2", [
      other.chequing,
      customer.id,
    ]);
    expect((await get("/accounts")).body.accounts).toHaveLength(1);
    expect((await get(`/accounts/${other.chequing}`)).status).toBe(404);
    for (const id of ["1", "not-a-uuid", "%00", `${customer.chequing}x`]) {
      expect([id, (await get(`/accounts/${id}`)).status]).toEqual([id, 404]);
    }
  });

  it("are on the older path for the token's own customer alone, masked", async () => {
    const { status, body } = await get(`/users/${customer.fiUserRef}/accounts`);
    expect(status).toBe(200);
    expect(body.accounts[0]).toMatchObject({
      accountNumber: "****1001",
      accountNumberMasked: "****1001",
      currency: "CAD",
    });
    const foreign = await get("/users/somebody-else/accounts");
    expect(foreign).toMatchObject({ status: 403, body: { error: "forbidden", error_description: expect.any(String) } });
  });
});

describe("transactions", () => {
  it("are the last 90 days, newest first, with running balances", async () => {
    const { body } = await get(`/accounts/${customer.chequing}/transactions`);
    expect(body.transactions.map((each: { description: string }) => each.description)).toEqual([
      "Day 1",
      "Day 2",
      "Day 3",
      "Day 4",
      "Day 5",
    ]);
    expect(body.transactions[2]).toEqual({
      transactionId: expect.any(String),
      transactionType: "WITHDRAWAL",
      amount: 25.5,
      debitCreditMemo: "DEBIT",
      status: "POSTED",
      description: "Day 3",
      postedTimestamp: new Date(bank.clock.now().getTime() - 3 * dayMs).toISOString(),
      runningBalance: 174.5,
    });
    expect(body.transactions[0]).toMatchObject({ amount: 100, debitCreditMemo: "CREDIT" });
  });

  it("are chosen by time and paged", async () => {
    const at = (daysAgo: number) =>
      encodeURIComponent(new Date(bank.clock.now().getTime() - daysAgo * dayMs).toISOString());
    const path = `/accounts/${customer.chequing}/transactions`;
    const named = async (query: string) =>
      (await get(`${path}?${query}`)).body.transactions.map((each: { description: string }) => each.description);
    expect(await named(`startTime=${at(4)}&endTime=${at(2)}`)).toEqual(["Day 3", "Day 4"]);
    expect(await named(`startTime=${at(200)}&endTime=${at(100)}`)).toEqual(["Long ago"]);
    expect(await named("limit=2&offset=2")).toEqual(["Day 3", "Day 4"]);
    expect((await get(`${path}?limit=2`)).body.page).toEqual({ nextOffset: 2 });
    expect((await get(`${path}?startTime=yesterday`)).status).toBe(400);
  });
});

describe("access", () => {
  it("tells the signed-in customer by the pseudonymous reference, never by the internal id", async () => {
    const { body } = await get("/customers/current");
    expect(body.customer).toEqual({
      customerId: customer.fiUserRef,
      fiUserRef: customer.fiUserRef,
      name: "Ada Example",
      locale: "en-CA",
      email: customer.email,
    });
  });

  it("needs a token, a genuine one, and the scope of what is read", async () => {
    expect(await get("/accounts", null)).toMatchObject({ status: 401, body: { error: "unauthorized" } });
    const forged = await new SignJWT(decodeJwt(accessToken))
      .setProtectedHeader({ alg: "HS256", typ: "at+jwt" })
      .sign(createSecretKey(Buffer.alloc(32, 7)));
    const [header, payload] = accessToken.split(".");
    const none = Buffer.from('{"alg":"none"}').toString("base64url");
    for (const token of [forged, "nonsense", `${none}.${payload}.`, `${header}.${payload}.AAAA`]) {
      const answer = await get("/accounts", token);
      expect(answer).toMatchObject({
        status: 401,
        body: { error: "invalid_token", error_description: expect.any(String), message: expect.any(String) },
      });
      expect(answer.headers.get("www-authenticate")).toContain("invalid_token");
    }
    const narrow = (await bank.enrol(await bank.addCustomer(), { scope: "openid profile email wallet:enroll" }))
      .access_token;
    const refused = await get(`/accounts/${customer.chequing}/transactions`, narrow);
    expect(refused).toMatchObject({
      status: 403,
      body: { error: "insufficient_scope", scope: "fdx:transactions:read" },
    });
  });

  it("ends with the consent, at the next call", async () => {
    const fresh = await bank.addCustomer();
    const enrolled = await bank.enrol(fresh, { scope });
    expect((await get("/accounts", enrolled.access_token)).status).toBe(200);
    await bank.db.pool.query("update consents set ended_at = $1 where customer_id = $2", [bank.clock.now(), fresh.id]);
    expect((await get("/accounts", enrolled.access_token)).status).toBe(401);
  });
});
