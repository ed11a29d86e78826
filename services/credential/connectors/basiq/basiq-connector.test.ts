import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { visitConsent } from "../../../sandbox/basiq/testing/start-basiq.ts";
import { beginConnect } from "../../flows/begin-connect.ts";
import { completeConnect } from "../../flows/complete-connect.ts";
import { eraseUser } from "../../flows/erase-user.ts";
import { sweepRevocations } from "../../flows/revoke-secrets.ts";
import { sweepAttempts } from "../../jobs/sweep-attempts.ts";
import { ownerNamed } from "../../testing/credential-world.ts";
import { testCaller } from "../../testing/plaid-world.ts";
import type { ConnectionAccess, ConsentAnswer, ConsentRequest } from "../connector.ts";
import type { ProviderError } from "../provider-error.ts";
import { accessOf, type BasiqWorld, basiqOf, must, start, startBasiqWorld } from "./testing/basiq-world.ts";

let its: BasiqWorld;

beforeAll(async () => {
  its = await startBasiqWorld();
});
afterAll(() => its?.stop());
afterEach(async () => {
  await its.basiq.control("DELETE", "/faults");
});

const fault = (path: string, kind: object) => its.basiq.control("POST", "/faults", { path, ...kind });

/** What a person brings back from Basiq's page. */
async function answerOf(
  request: ConsentRequest,
  visit: (authUrl: string) => Promise<URLSearchParams>,
): Promise<ConsentAnswer> {
  const begun = await its.connector.begin(request, its.call());
  const facts = must(its.connector.readCallback?.(await visit(begun.authUrl ?? "")));
  expect(facts).toMatchObject({ state: request.state, iss: "", error: "" });
  return { ...request, iss: "", code: facts.code, proofs: begun.proofs };
}

async function callsOf(path: string) {
  const { body } = await its.basiq.control("GET", `/calls?path=${encodeURIComponent(path)}`);
  return body["calls"] as { fields: string[]; subject: string; status: number }[];
}

describe("a consent at Basiq", () => {
  it("becomes a user of its own, known by a keyed hash, with his bank's name and the end of the consent", async () => {
    const grant = await its.connect();
    expect(grant).toMatchObject({ institutionId: "AU00000", institutionName: "Hooli Bank", issuer: its.basiq.origin });
    expect(grant.providerReference).toBe(grant.accessToken);
    expect(grant.accessTokenExpiresAt).toBeUndefined();
    expect(must(grant.consentExpiresAt).getTime()).toBeGreaterThan(its.basiq.clock.now().getTime() + 360 * 86_400_000);
    const user = (await its.basiq.ask("GET", `/users/${grant.accessToken}`)).body;
    expect(user["email"]).toMatch(/^(ab){20}-[0-9a-f]{8}@users\.example\.com$/);
    expect((await its.connect()).accessToken).not.toBe(grant.accessToken);
  });

  it("goes by an auth link where that is asked for; without a mobile number Basiq may make none", async () => {
    const linked = await startBasiqWorld({ settings: { BASIQ_CONSENT_PAGE: "auth_link" } });
    const begun = await linked.connector.begin(start, linked.call());
    expect(begun.authUrl).toMatch(/\/connect\/[\w-]+\?state=state-of-the-test&institutionId=AU00000$/);
    const days = (must(begun.expiresAt).getTime() - linked.basiq.clock.now().getTime()) / 86_400_000;
    expect(days).toBeGreaterThan(2.9);
    expect((await linked.connect()).institutionName).toBe("Hooli Bank");
    await linked.basiq.control("PATCH", "/settings", { authLinkMobile: "required" });
    await expect(linked.connector.begin(start, linked.call())).rejects.toMatchObject({
      failure: "unavailable",
      detail: "parameter-not-supplied",
    });
    await linked.stop();
  });

  it("that its person left is refused, and the user made for it is gone", async () => {
    const left = await answerOf(start, (url) => visitConsent(url, { button: "Cancel" }));
    await expect(its.connector.complete(left, its.call())).rejects.toMatchObject({
      failure: "grant_refused",
      oauthError: "access_denied",
    });
    const { userId } = JSON.parse(left.proofs) as { userId: string };
    expect((await its.basiq.ask("GET", `/users/${userId}`)).status).toBe(404);
  });

  it("that the bank refuses at once is refused", async () => {
    const begun = await its.connector.begin(start, its.call());
    const { userId } = JSON.parse(begun.proofs) as { userId: string };
    await its.basiq.control("POST", `/users/${userId}/fail-next-job`, { code: "invalid-credentials" });
    const { code } = must(its.connector.readCallback?.(await visitConsent(begun.authUrl ?? "")));
    const answer = { ...start, iss: "", code, proofs: begun.proofs };
    await expect(its.connector.complete(answer, its.call())).rejects.toMatchObject({
      failure: "grant_refused",
      detail: "invalid-credentials",
    });
  });

  it("does not become ours by a job of somebody else's, nor by one there is none of", async () => {
    const mine = await answerOf(start, (url) => visitConsent(url));
    const his = await answerOf(start, (url) => visitConsent(url));
    for (const code of [his.code, "0b4e0000-0000-4000-8000-000000000000", "../users", `${mine.code},${his.code}`]) {
      const slipped = its.connector.complete({ ...mine, code }, its.call());
      await expect(slipped, code).rejects.toMatchObject({ failure: "mismatch" });
    }
    expect((await its.connector.complete(mine, its.call())).institutionId).toBe("AU00000");
  });

  it("may be completed again after an answer that was lost", async () => {
    const answer = await answerOf(start, (url) => visitConsent(url));
    await fault("/users/:userId/connections", { kind: "lost_answer" });
    await expect(its.connector.complete(answer, its.call())).rejects.toMatchObject({ failure: "unavailable" });
    const grant = await its.connector.complete(answer, its.call());
    expect(await its.connector.complete(answer, its.call())).toEqual(grant);
  });

  it("is extended, given again after its end, or repaired, and stays the same user's", async () => {
    const grant = await its.connect();
    const reconnect = accessOf(grant);
    await its.basiq.control("POST", `/users/${grant.accessToken}/consent-end`, { inSeconds: 86_400 });
    const extended = await answerOf({ ...start, reconnect }, (url) => visitConsent(url, { button: "Allow" }));
    const after = await its.connector.complete(extended, its.call());
    expect(after.accessToken).toBe(grant.accessToken);
    expect(must(after.consentExpiresAt).getTime()).toBeGreaterThan(its.basiq.clock.now().getTime() + 300 * 86_400_000);
    await its.basiq.control("POST", `/connections/${await its.connectionId(grant.accessToken)}/invalidate`);
    const repaired = await answerOf({ ...start, reconnect }, (url) => visitConsent(url));
    expect((await its.connector.complete(repaired, its.call())).accessToken).toBe(grant.accessToken);
    await its.basiq.control("POST", `/users/${grant.accessToken}/consent-end`, { inSeconds: -1 });
    await its.basiq.webhook("consent.expired", grant.accessToken);
    const anew = await answerOf({ ...start, reconnect }, (url) => visitConsent(url, { bank: "Hooli Bank" }));
    expect((await its.connector.complete(anew, its.call())).accessToken).toBe(grant.accessToken);
    await its.basiq.jobOver(anew.code);
    // The bank has two connections by now; what the first one had fetched is not shown beside it.
    expect(await its.connector.listAccounts(reconnect, its.call())).toHaveLength(3);
  });

  it("of a user Basiq has forgotten begins anew", async () => {
    const grant = await its.connect();
    await its.basiq.ask("DELETE", `/users/${grant.accessToken}`);
    const answer = await answerOf({ ...start, reconnect: accessOf(grant) }, (url) => visitConsent(url));
    expect((await its.connector.complete(answer, its.call())).accessToken).not.toBe(grant.accessToken);
  });

  it("ends with everything Basiq has of its user, once and again", async () => {
    const { accessToken } = await its.connect();
    for (let count = 0; count < 2; count += 1) {
      await its.connector.revoke("AU00000", { accessToken }, its.call());
      expect((await its.basiq.ask("GET", `/users/${accessToken}`)).status).toBe(404);
    }
    await fault("/users/:userId", { kind: "server_error" });
    const refused = its.connector.revoke("AU00000", { accessToken }, its.call());
    await expect(refused).rejects.toMatchObject({ failure: "unavailable" });
  });
});

describe("Basiq's token", () => {
  // A token of an earlier try lives on from the time that had come by then.
  let forgottenAfterMs = 0;

  it("is one for all replicas, whoever is first, and is minted again once Basiq refuses it", async () => {
    const other = await its.world.startReplica({ providerTimeoutMs: 5_000 });
    const access = accessOf(await its.connect());
    const connectors = [its.connector, basiqOf(other)];
    const readAll = () =>
      Promise.all(connectors.flatMap((each) => [1, 2, 3].map(() => each.listAccounts(access, its.call()))));
    const minted = async () => (await callsOf("/token")).filter(({ fields }) => fields.includes("scope=SERVER_ACCESS"));
    const before = (await minted()).length;
    await readAll();
    expect((await minted()).length).toBe(before);
    // Basiq forgets every token, as it does when a key is changed.
    forgottenAfterMs += 3_700_000;
    const moved = forgottenAfterMs;
    its.basiq.clock.advance(moved);
    await readAll();
    expect((await minted()).length).toBe(before + 1);
    its.basiq.clock.advance(-moved);
    await other.stop();
  });

  it("is not asked for again and again with a key Basiq does not know", async () => {
    const wrong = await startBasiqWorld({ settings: { BASIQ_API_KEY: "a-key-nobody-gave" } });
    const refused = () =>
      expect(wrong.connector.listInstitutions(wrong.call(500))).rejects.toMatchObject({
        failure: expect.stringMatching(/client_refused|unavailable/),
      });
    await Promise.all([refused(), refused()]);
    const { body } = await wrong.basiq.control("GET", "/calls?path=/token");
    const asked = (body["calls"] as { status: number }[]).filter(({ status }) => status === 401);
    expect(asked).toHaveLength(1);
    expect(wrong.world.logLines.join("")).not.toContain("a-key-nobody-gave");
    await wrong.stop();
  });
});

describe("accounts of Basiq", () => {
  it("arrive in minor units, owed ones below zero, their numbers masked", async () => {
    const accounts = await its.connector.listAccounts(accessOf(await its.connect()), its.call());
    expect(accounts.map((each) => each.accountType)).toEqual(["TRANSACTION", "SAVINGS", "CREDIT_CARD"]);
    expect(accounts.every((each) => each.currency === "AUD" && /^\*{4}\d{4}$/.test(each.maskedNumber))).toBe(true);
    expect(must(accounts[2]?.balanceMinor)).toBeLessThanOrEqual(0n);
    expect(must(accounts[2]?.availableMinor)).toBeGreaterThan(0n);
    expect(accounts[0]?.asOf).toBeInstanceOf(Date);
  });

  it("of a user without a consent, or unknown, need their user; being forbidden with a consent does not", async () => {
    const grant = await its.connect();
    await fault("/users/:userId/accounts", { kind: "provider_error", code: "forbidden-access" });
    await expect(its.connector.listAccounts(accessOf(grant), its.call())).rejects.toMatchObject({
      failure: "forbidden",
    });
    await its.basiq.control("POST", `/users/${grant.accessToken}/revoke-consent`);
    await expect(its.connector.listAccounts(accessOf(grant), its.call())).rejects.toMatchObject({
      failure: "reauthorize",
      detail: "no consent",
    });
    await its.connector.revoke("AU00000", { accessToken: grant.accessToken }, its.call());
    await expect(its.connector.listAccounts(accessOf(grant), its.call())).rejects.toMatchObject({
      failure: "reauthorize",
      correlationId: expect.stringMatching(/^[0-9a-f-]{36}$/),
    });
  });

  const notUnderstood = { failure: "unavailable", detail: "answer not understood" };
  const faults = [
    [{ kind: "html", status: 200 }, notUnderstood],
    [{ kind: "html", status: 502 }, { failure: "unavailable" }],
    [{ kind: "empty" }, { failure: "unavailable" }],
    [{ kind: "answer", text: "null" }, notUnderstood],
    [{ kind: "answer", text: '{"type":"list","data":7}' }, notUnderstood],
    [{ kind: "half" }, { failure: "unavailable" }],
    [{ kind: "lost_answer" }, { failure: "unavailable", mayHaveActed: true }],
    [
      { kind: "server_error", status: 500 },
      { failure: "unavailable", detail: "service-unavailable" },
    ],
    [
      { kind: "rate_limit", retryAfterSeconds: 7 },
      { failure: "rate_limited", retryAfterMs: 7_000 },
    ],
    [
      { kind: "provider_error", code: "something-new", status: 400 },
      { failure: "unavailable", detail: "something-new" },
    ],
  ] as const;
  // One for all: a fault changes nothing of the connection.
  let access: ConnectionAccess;
  beforeAll(async () => {
    access = accessOf(await its.connect());
  });
  it.each(faults)("answers %j, which is %j, and the next call works", async (kind, expected) => {
    await fault("/users/:userId/accounts", kind);
    const error = await its.connector.listAccounts(access, its.call()).catch((thrown: ProviderError) => thrown);
    expect(error).toMatchObject(expected);
    if ("detail" in expected) expect(error).toHaveProperty("correlationId", expect.stringMatching(/^[\w-]{8,}$/));
    expect(await its.connector.listAccounts(access, its.call())).toHaveLength(3);
  });

  it("are not waited for longer than the call allows", async () => {
    await fault("/users/:userId/accounts", { kind: "latency", ms: 3_000 });
    await expect(its.connector.listAccounts(access, its.call(400))).rejects.toMatchObject({ failure: "unavailable" });
  });
});

it("lists each institution once, by name, with its country", async () => {
  const institutions = await its.connector.listInstitutions(its.call());
  expect(institutions.map(({ name, countries }) => [name, ...countries])).toEqual([
    ["Hooli Bank", "AU"],
    ["Rimu Savings Bank", "NZ"],
    ["Wattle Mutual Bank", "AU"],
  ]);
  await expect(its.connector.check("AU00000", "begin")).resolves.toBeUndefined();
  await expect(its.connector.check("somewhere", "begin")).rejects.toMatchObject({ reason: "BANK_NOT_FOUND" });
});

describe("a user made at Basiq for a consent", () => {
  const live = new AbortController().signal;
  const deps = () => its.replica.deps;
  const consentOf = (userId: string) => ({
    owner: ownerNamed(userId),
    connector: "basiq",
    institutionId: "AU00000",
    redirectUri: start.redirectUri,
  });
  const newestUser = async () => must((await callsOf("/token")).findLast(({ subject }) => Boolean(subject))).subject;
  const statusOf = async (userId: string) => (await its.basiq.ask("GET", `/users/${userId}`)).status;

  it("goes when his person never comes back, also when Basiq's answer to that is lost", async () => {
    await beginConnect(deps(), consentOf("who-left"), testCaller());
    const left = await newestUser();
    await sweepAttempts(deps(), live);
    expect([await sweepRevocations(deps(), live), await statusOf(left)]).toEqual([0, 200]);
    its.world.clock.advance(4 * 3_600_000 + 1_000);
    await sweepAttempts(deps(), live);
    await fault("/users/:userId", { kind: "lost_answer" });
    expect([await sweepRevocations(deps(), live), await statusOf(left)]).toEqual([0, 404]);
    its.world.clock.advance(3_600_000);
    expect(await sweepRevocations(deps(), live)).toBe(1);
    expect(await sweepAttempts(deps(), live)).toBe(0);
  });

  it("goes when his person is erased before he came back, and stays as long as he is a connection", async () => {
    const { owner } = consentOf("who-stayed");
    const begun = await beginConnect(deps(), consentOf("who-stayed"), testCaller());
    const facts = must(its.connector.readCallback?.(await visitConsent(begun.authUrl ?? "")));
    const answer = { attempt: { state: begun.state }, code: facts.code, iss: "", error: "" };
    const { connection } = await completeConnect(deps(), { owner, ...answer }, testCaller());
    await beginConnect(deps(), consentOf("who-stayed"), testCaller());
    const other = await newestUser();
    its.world.clock.advance(4 * 3_600_000 + 1_000);
    await sweepAttempts(deps(), live);
    await sweepRevocations(deps(), live);
    expect([await statusOf(other), await statusOf(connection.providerReference)]).toEqual([404, 200]);
    await beginConnect(deps(), consentOf("who-stayed"), testCaller());
    const third = await newestUser();
    await eraseUser(deps(), owner, testCaller());
    await sweepRevocations(deps(), live);
    expect([await statusOf(third), await statusOf(connection.providerReference)]).toEqual([404, 404]);
  });
});
