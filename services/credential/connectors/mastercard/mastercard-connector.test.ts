import { afterEach, describe, expect, it } from "vitest";
import { FormBrowser } from "../../../platform/testing/form-browser.ts";
import { setUp } from "../../../platform/testing/set-up.ts";
import { partner } from "../../../sandbox/mastercard/testing/start-mastercard.ts";
import type { ProviderError } from "../provider-error.ts";
import { accessOf, type MastercardWorld, must, start, startMastercardWorld } from "./testing/mastercard-world.ts";
import { startPartnerProcess } from "./testing/start-partner-process.ts";

let mc: MastercardWorld;
setUp(async () => {
  mc = await startMastercardWorld();
  return () => mc.close();
});
afterEach(async () => {
  await mc.sandbox.control("DELETE", "/faults");
  await mc.sandbox.control("POST", "/partner/unlock");
});

const legacyBank = "101732";
const oauthBank = "170778";
const customersPath = "/aggregation/v2/customers/testing";
const accountsPath = "/aggregation/v1/customers/:customerId/accounts";
const authenticationPath = "/aggregation/v2/partners/authentication";
const institutionsPath = "/institution/v2/institutions";
const callsTo = async (path: string) => {
  const { body } = await mc.sandbox.control("GET", `/calls?path=${encodeURIComponent(path)}`);
  return body["calls"] as { requestId: string; status: number }[]; // as the control API answers
};
const callsOf = async (path: string) => (await callsTo(path)).length;
const failureOf = (error: unknown) => (error as ProviderError).failure; // connectors throw nothing else
const statusOf = (loginId: string, code: number) => mc.sandbox.control("POST", `/logins/${loginId}/status`, { code });
const aggregate = (customerId: string) => mc.sandbox.control("POST", `/customers/${customerId}/aggregate`);

/** Moves all that is remembered of the partner's token into the past. */
async function ageToken(minutes: number): Promise<void> {
  const columns = ["minted_at", "expires_at", "mint_started_at", "mint_lease_until", "retry_at"];
  const moved = columns.map((column) => `${column} = ${column} - interval '${minutes} minutes'`).join(", ");
  await mc.replica.deps.storage.db.pool.query(`update provider_tokens set ${moved} where name = 'mastercard'`);
}

describe("connecting", () => {
  it("leads a person through Connect to his login, with the end of its authorization", async () => {
    const request = { ...start, institutionId: oauthBank, userReference: "c1".repeat(32) };
    const begun = await mc.connector.begin(request, mc.call());
    const browser = new FormBrowser();
    let page = await browser.open(begun.authUrl ?? "");
    page = await browser.press(page, "FinBank OAuth");
    page = await browser.press(page, "Sign in", { "User name": "demo", Password: "go" });
    const isBack = (location: string) => location.startsWith(start.redirectUri);
    const end = await browser.press(page, "Allow", {}, isBack);
    const facts = must(mc.connector.readCallback?.(new URL(end.url).searchParams));
    expect(facts).toEqual({ state: start.state, code: "complete", iss: "", error: "" });
    const grant = await mc.connector.complete({ ...request, ...facts, proofs: begun.proofs }, mc.call());
    expect(grant).toMatchObject({ institutionId: oauthBank, institutionName: "FinBank OAuth" });
    expect(grant.accessToken).toBe(`${grant.providerReference}/${grant.ownerReference}`);
    const days = ((grant.consentExpiresAt?.getTime() ?? 0) - Date.now()) / 86_400_000;
    expect(days).toBeGreaterThan(364);
  });

  it("tells a person who left from one who consented", async () => {
    const left = mc.connector.readCallback?.(new URLSearchParams({ state: "s", code: "100", reason: "exit" }));
    expect(left).toMatchObject({ code: "", error: "access_denied" });
    const begun = await mc.connector.begin({ ...start, userReference: "c2".repeat(32) }, mc.call());
    const answer = { ...start, iss: "", code: "complete", proofs: begun.proofs };
    await expect(mc.connector.complete(answer, mc.call())).rejects.toMatchObject({ oauthError: "access_denied" });
  });

  it("makes one customer of a user, even when the answer of his making is lost", async () => {
    await mc.sandbox.control("POST", "/faults", { path: customersPath, kind: "lost_answer", times: 1 });
    const request = { ...start, userReference: "c3".repeat(32) };
    await expect(mc.connector.begin(request, mc.call())).rejects.toMatchObject({ failure: "unavailable" });
    const [one, other] = await Promise.all([1, 2].map(() => mc.connector.begin(request, mc.call())));
    const customerOf = (proofs = "{}") => JSON.parse(proofs).customerId;
    expect(customerOf(one?.proofs)).toBe(customerOf(other?.proofs));
    const found = await mc.sandbox.api("GET", `/aggregation/v1/customers?username=testing-${request.userReference}`);
    expect(found.body["found"]).toBe(1);
  });

  it("keeps each login of a customer a connection of its own", async () => {
    const userReference = "c4".repeat(32);
    const one = await mc.connect({ userReference, institutionId: legacyBank });
    const other = await mc.connect({ userReference, institutionId: oauthBank });
    expect(one.providerReference).toBe(other.providerReference);
    expect([one.ownerReference === other.ownerReference, other.institutionId]).toEqual([false, oauthBank]);
    expect(one.consentExpiresAt).toBeUndefined();
    const lists = await Promise.all([one, other].map((each) => mc.connector.listAccounts(accessOf(each), mc.call())));
    expect(new Set(lists.flat().map((each) => each.accountId)).size).toBe(6);
    await mc.connector.revoke(legacyBank, { accessToken: one.accessToken }, mc.call());
    await mc.connector.revoke(legacyBank, { accessToken: one.accessToken }, mc.call());
    await expect(mc.connector.listAccounts(accessOf(one), mc.call())).rejects.toMatchObject({
      failure: "grant_refused",
    });
    expect(await mc.connector.listAccounts(accessOf(other), mc.call())).toHaveLength(3);
  });

  it("does not undo a login that was there before when a lost consent is replayed", async () => {
    const userReference = "c5".repeat(32);
    await mc.connect({ userReference });
    const request = { ...start, userReference };
    const begun = await mc.connector.begin(request, mc.call());
    await mc.visit(begun.authUrl ?? "");
    const answer = { ...request, code: "complete", proofs: begun.proofs };
    await expect(mc.connector.complete({ ...answer, iss: undefined }, mc.call())).rejects.toMatchObject({
      failure: "forbidden",
    });
    expect((await mc.connector.complete({ ...answer, iss: "" }, mc.call())).institutionId).toBe(legacyBank);
  });

  it("lists the institutions by name", async () => {
    const institutions = await mc.connector.listInstitutions(mc.call());
    expect(institutions.map((each) => each.name)).toEqual(["Cascade Credit Union", "FinBank", "FinBank OAuth"]);
  });
});

describe("accounts", () => {
  it("has one shape and sign: what a card owes is below zero", async () => {
    const grant = await mc.connect();
    const accounts = await mc.connector.listAccounts(accessOf(grant), mc.call());
    const told = await mc.accounts(grant.providerReference);
    const card = must(accounts.find((each) => each.accountType === "CREDIT_CARD"));
    const cardTold = must(told.find((each) => each["type"] === "creditCard"));
    expect(card.balanceMinor).toBe(-BigInt(Math.round(Number(cardTold["balance"]) * 100)));
    expect(card).toMatchObject({ currency: "USD", maskedNumber: expect.stringMatching(/^\*{4}\d{4}$/) });
    expect(accounts.every((each) => each.asOf !== undefined && each.availableMinor !== undefined)).toBe(true);
  });

  it.each([103, 108, 109, 185, 187, 945, 946, 947, 948])("needs its person after code %i", async (code) => {
    const grant = await mc.connect();
    await statusOf(grant.ownerReference, code);
    await aggregate(grant.providerReference);
    await expect(mc.connector.listAccounts(accessOf(grant), mc.call())).rejects.toMatchObject({
      failure: "reauthorize",
      code: String(code),
    });
  });

  it("shows the last known balances while an institution limits or fails", async () => {
    const grant = await mc.connect();
    await statusOf(grant.ownerReference, 977);
    await aggregate(grant.providerReference);
    expect(await mc.connector.listAccounts(accessOf(grant), mc.call())).toHaveLength(3);
  });

  it("is repaired by Connect Fix, and stays the same connection", async () => {
    const grant = await mc.connect({ institutionId: oauthBank });
    await statusOf(grant.ownerReference, 945);
    await aggregate(grant.providerReference);
    const request = { ...start, reconnect: accessOf(grant) };
    const begun = await mc.connector.begin(request, mc.call());
    await mc.visit(begun.authUrl ?? "", { institutionId: oauthBank });
    const answer = { ...request, iss: "", code: "complete", proofs: begun.proofs };
    const again = await mc.connector.complete(answer, mc.call());
    expect([again.ownerReference, again.accessToken]).toEqual([grant.ownerReference, grant.accessToken]);
    expect(await mc.connector.listAccounts(accessOf(again), mc.call())).toHaveLength(3);
  });
});

describe("the partner's token", () => {
  it("is shared, and minted anew once when it is refused", async () => {
    const grant = await mc.connect();
    await mc.connector.listAccounts(accessOf(grant), mc.call());
    const before = await callsOf(authenticationPath);
    const twins = [mc.makeConnector(), mc.makeConnector()];
    await Promise.all(twins.map((twin) => twin.listAccounts(accessOf(grant), mc.call())));
    expect(await callsOf(authenticationPath)).toBe(before);
    await mc.sandbox.control("POST", "/partner/expire-tokens");
    await Promise.all(twins.map((twin) => twin.listAccounts(accessOf(grant), mc.call())));
    expect(await callsOf(authenticationPath)).toBe(before + 1);
    await mc.sandbox.renew();
  });

  it("is renewed at 90 minutes of age by one of two processes, the old one serving, and never used past 105", async () => {
    await mc.connector.listInstitutions(mc.call());
    const processes = await Promise.all([startPartnerProcess(mc), startPartnerProcess(mc)]);
    const askBoth = () => Promise.all(processes.map((each) => each.ask()));
    const logins = await callsOf(authenticationPath);
    await ageToken(89);
    expect(await askBoth()).toEqual(["ok", "ok"]);
    expect(await callsOf(authenticationPath)).toBe(logins);
    await ageToken(2);
    await mc.sandbox.control("POST", "/faults", { path: authenticationPath, kind: "latency", ms: 300, times: 1 });
    expect(await askBoth()).toEqual(["ok", "ok"]);
    expect(await callsOf(authenticationPath)).toBe(logins + 1);
    await mc.sandbox.control("POST", "/faults", {
      path: authenticationPath,
      kind: "server_error",
      status: 503,
      times: 50,
    });
    await ageToken(104);
    expect(await askBoth()).toEqual(["ok", "ok"]);
    const used = await callsOf(institutionsPath);
    await ageToken(1);
    expect(await askBoth()).toEqual(["unavailable", "unavailable"]);
    expect(await callsOf(institutionsPath)).toBe(used);
    for (const each of processes) each.stop();
    await mc.sandbox.renew();
  });

  it("is no longer asked for before the provider locks its partner, however long it goes on", async () => {
    const grant = await mc.connect();
    await mc.sandbox.control("POST", "/partner/expire-tokens");
    const wrong = mc.makeConnector({ env: { OPEN_BANKING_PARTNER_SECRET: "not-the-secret-1" } });
    for (let count = 0; count < 8; count += 1) {
      const failure = await wrong.listAccounts(accessOf(grant), mc.call(300)).catch(failureOf);
      expect(["client_refused", "unavailable"]).toContain(failure);
      // Every pause between two tries is over by then.
      await ageToken(15);
    }
    const { body } = await mc.sandbox.control("GET", "/partner");
    expect(body).toMatchObject({ locked: false, failedLogins: 3 });
    expect(await mc.connector.listAccounts(accessOf(grant), mc.call())).toHaveLength(3);
    const refused = (await callsTo(authenticationPath)).findLast((each) => each.status === 401);
    const failed = { name: "mastercard", outcome: "client_refused", correlationId: refused?.requestId };
    expect(mc.world.logLines.map((line) => JSON.parse(line))).toContainEqual(expect.objectContaining(failed));
    expect(mc.world.logLines.join("")).not.toContain("not-the-secret-1");
    await mc.sandbox.renew();
  });

  it("goes over to another secret replica by replica without a failed login, and after a leak without coming near the lock", async () => {
    const [next, last] = ["the-next-secret-2", "the-last-secret-3"];
    const change = async (partnerSecret: string, newPartnerSecret: string, immediate: boolean) => {
      const body = { partnerId: partner.id, partnerSecret, newPartnerSecret, immediate };
      return (await mc.sandbox.api("PUT", authenticationPath, body)).status;
    };
    const failedLogins = async () => (await mc.sandbox.control("GET", "/partner")).body["failedLogins"];
    const replicaWith = (secret: string) => mc.makeConnector({ env: { OPEN_BANKING_PARTNER_SECRET: secret } });
    const loginOf = async (each: typeof mc.connector) => {
      await ageToken(106);
      return await each.listInstitutions(mc.call(300)).then(() => "ok", failureOf);
    };
    try {
      expect(await change(partner.secret, next, false)).toBe(204);
      for (const each of [mc.connector, replicaWith(next), mc.connector]) expect(await loginOf(each)).toBe("ok");
      expect(await failedLogins()).toBe(0);

      expect(await change(next, last, true)).toBe(204);
      // What is in force goes on, so there is time to restart.
      expect(await replicaWith(next).listInstitutions(mc.call())).not.toEqual([]);
      expect(await failedLogins()).toBe(0);
      for (let count = 0; count < 6; count += 1) expect(await loginOf(replicaWith(next))).not.toBe("ok");
      expect(await failedLogins()).toBe(3);
      expect(await loginOf(replicaWith(last))).toBe("ok");
    } finally {
      for (const secret of [next, last]) await change(secret, partner.secret, true);
      await mc.sandbox.control("POST", "/partner/unlock");
      await mc.sandbox.renew();
    }
  });
});

describe("bad days", () => {
  it.each([
    ["html", { kind: "html" }, "unavailable"],
    ["an empty answer", { kind: "empty" }, "unavailable"],
    ["half an answer", { kind: "half" }, "unavailable"],
    ["an outage", { kind: "server_error", status: 503 }, "unavailable"],
    ["a lost answer", { kind: "lost_answer" }, "unavailable"],
    ["an answer that is late", { kind: "latency", ms: 1_500 }, "unavailable"],
    ["a limit", { kind: "rate_limit", retryAfterSeconds: 7 }, "rate_limited"],
  ])("takes %s for what it is", async (_name, fault, failure) => {
    const grant = await mc.connect();
    await mc.sandbox.control("POST", "/faults", { path: accountsPath, times: 1, ...fault });
    const error = await mc.connector.listAccounts(accessOf(grant), mc.call(700)).catch((thrown: unknown) => thrown);
    expect(failureOf(error)).toBe(failure);
    if (failure === "rate_limited") expect(error).toMatchObject({ retryAfterMs: 7_000 });
    expect(await mc.connector.listAccounts(accessOf(grant), mc.call())).toHaveLength(3);
  });

  it("takes a customer who is gone for a consent that ended", async () => {
    const grant = await mc.connect();
    await mc.sandbox.api("DELETE", `/aggregation/v1/customers/${grant.providerReference}`);
    await expect(mc.connector.listAccounts(accessOf(grant), mc.call())).rejects.toMatchObject({
      failure: "grant_refused",
    });
  });
});
