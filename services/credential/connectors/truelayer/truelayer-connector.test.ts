import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Grant } from "../connector.ts";
import {
  accessOf,
  environmentFor,
  makeConnector,
  must,
  start,
  startTrueLayerWorld,
  type TrueLayerWorld,
} from "./testing/truelayer-world.ts";

let world: TrueLayerWorld;
beforeAll(async () => {
  world = await startTrueLayerWorld();
});
afterAll(() => world?.stop());

const fault = (body: object) => world.sandbox.control("POST", "/faults", body);
const list = (grant: Grant, timeoutMs?: number) => world.connector.listAccounts(accessOf(grant), world.call(timeoutMs));
const refresh = ({ institutionId, refreshToken = "", providerReference }: Grant) =>
  must(world.connector.refresh)({ institutionId, refreshToken, providerReference }, world.call());
const extend = ({ institutionId, refreshToken = "", providerReference }: Grant) =>
  must(world.connector.extendConsent)(
    { institutionId, refreshToken, providerReference, state: "state-of-the-extension" },
    world.call(),
  );
const daysAway = (date: Date | undefined) =>
  Math.round(((date?.getTime() ?? 0) - world.sandbox.clock.now().getTime()) / 86_400_000);

describe("a consent at TrueLayer", () => {
  it("begins with a link that has PKCE, state and the banks of the mode, and comes back to the registered address", async () => {
    const begun = await world.connector.begin(start, world.call());
    const query = new URL(must(begun.authUrl)).searchParams;
    expect(Object.fromEntries(query)).toMatchObject({
      response_type: "code",
      redirect_uri: "http://127.0.0.1:9/callback",
      scope: "accounts balance transactions cards offline_access",
      providers: "mock",
      enable_mock: "true",
      state: start.state,
      code_challenge_method: "S256",
    });
    expect(query.get("code_challenge")).not.toBe(JSON.parse(begun.proofs).verifier);
    expect((await world.visit(must(begun.authUrl))).get("state")).toBe(start.state);
  });

  it("becomes a connection with its bank's name, that ends in 90 days", async () => {
    const grant = await world.connect({ providerId: "ob-saltire" });
    expect(grant).toMatchObject({ institutionId: "ob-saltire", institutionName: "Saltire Bank" });
    expect(grant.refreshToken).toBeDefined();
    expect(daysAway(grant.consentExpiresAt)).toBe(90);
    expect(must(grant.accessTokenExpiresAt).getTime() - world.sandbox.clock.now().getTime()).toBe(3_600_000);
  });

  it("skips the choice of a bank that was made before, and offers no other", async () => {
    const begun = await world.connector.begin({ ...start, institutionId: "ob-heron" }, world.call());
    const query = new URL(must(begun.authUrl)).searchParams;
    expect([query.get("provider_id"), query.get("providers")]).toEqual(["ob-heron", "ob-heron"]);
    await expect(world.connector.check("OB heron?", "begin")).rejects.toMatchObject({ reason: "BANK_NOT_FOUND" });
  });

  it("needs the verifier of its own link, and its code works once", async () => {
    const begun = await world.connector.begin(start, world.call());
    const other = await world.connector.begin(start, world.call());
    const code = must((await world.visit(must(begun.authUrl))).get("code") ?? undefined);
    const answer = { ...start, iss: "", code, proofs: other.proofs };
    await expect(world.connector.complete(answer, world.call())).rejects.toMatchObject({ failure: "grant_refused" });
    await world.connector.complete({ ...answer, proofs: begun.proofs }, world.call());
    const again = world.connector.complete({ ...answer, proofs: begun.proofs }, world.call());
    await expect(again).rejects.toMatchObject({ oauthError: "invalid_authorization_code" });
  });

  it("that is renewed keeps its owner, and another bank is another connection", async () => {
    const first = await world.connect();
    const reconnect = accessOf(first);
    const begun = await world.connector.begin({ ...start, reconnect }, world.call());
    expect(new URL(must(begun.authUrl)).searchParams.get("provider_id")).toBe("ob-thames");
    const code = (await world.visit(must(begun.authUrl))).get("code") ?? "";
    const answer = { ...start, iss: "", code, proofs: begun.proofs, reconnect };
    const renewed = await world.connector.complete(answer, world.call());
    expect(renewed.ownerReference).toBe(first.ownerReference);
    expect(renewed.providerReference).not.toBe(first.providerReference);
    const other = await world.connect({ providerId: "ob-heron" });
    expect(other.ownerReference).toBe(other.providerReference);
  });

  it("is given back when TrueLayer does not tell whose it is, and completes over a moment's outage", async () => {
    await fault({ kind: "server_error", status: 503, path: "/data/v1/me", times: 2 });
    expect((await world.connect()).providerReference).not.toBe("");
    await world.sandbox.control("DELETE", "/calls");
    await fault({ kind: "html", path: "/data/v1/me", times: 3 });
    await expect(world.connect()).rejects.toMatchObject({ failure: "unavailable" });
    const { calls } = (await world.sandbox.control("GET", "/calls?path=/api/delete")).body;
    expect(calls).toMatchObject([{ status: 200 }]);
  });
});

describe("accounts at TrueLayer", () => {
  it("are told with cards, balances in minor units, what is owed as negative, numbers masked", async () => {
    const accounts = await list(await world.connect());
    const byType = new Map(accounts.map((account) => [account.accountType, account]));
    expect([...byType.keys()].sort()).toEqual(["CREDIT_CARD", "SAVINGS", "TRANSACTION"]);
    expect(byType.get("TRANSACTION")).toMatchObject({
      displayName: "Thames & Tyne Bank Current Account",
      currency: "GBP",
      maskedNumber: expect.stringMatching(/^\*{4}\d{4}$/),
      asOf: expect.any(Date),
    });
    expect(byType.get("CREDIT_CARD")?.balanceMinor).toBeLessThan(0n);
    expect(byType.get("CREDIT_CARD")?.availableMinor).toBeGreaterThan(0n);
  });

  it("are told without what a bank does not offer or show at the moment", async () => {
    const grant = await world.connect();
    await fault({ kind: "provider_error", code: "endpoint_not_supported", path: "/data/v1/cards" });
    const path = "/data/v1/accounts/:accountId/balance";
    await fault({ kind: "provider_error", code: "sca_exceeded", path, times: 2 });
    const accounts = await list(grant);
    expect(accounts.map((account) => account.balanceMinor)).toEqual([undefined, undefined]);
  });

  it.each([
    ["sca_exceeded", { failure: "scope_limited" }],
    ["access_denied", { failure: "reauthorize" }],
    ["deprecated_provider", { failure: "reauthorize" }],
    ["invalid_token", { failure: "unauthorized" }],
    ["unauthorized", { failure: "unauthorized" }],
    ["provider_timeout", { failure: "unavailable" }],
    ["provider_too_many_requests", { failure: "rate_limited" }],
    ["provider_request_limit_exceeded", { failure: "rate_limited" }],
  ])("are refused with %s, which is %j", async (code, expected) => {
    const grant = await world.connect();
    await fault({ kind: "provider_error", code, path: "/data/v1/accounts" });
    await expect(list(grant)).rejects.toMatchObject(expected);
  });

  it("cannot be read with an older access token, nor once the user has taken the consent back", async () => {
    const grant = await world.connect();
    const tokens = await refresh(grant);
    await expect(list(grant)).rejects.toMatchObject({ failure: "unauthorized" });
    const renewed = { ...grant, ...tokens };
    expect((await list(renewed)).length).toBe(3);
    const path = `/connections/${grant.providerReference}/revoke`;
    await world.sandbox.control("POST", path, { notify: false });
    await expect(list(renewed)).rejects.toMatchObject({ failure: "reauthorize" });
  });
});

describe("TrueLayer on a bad day", () => {
  it.each([
    [{ kind: "html" }, { failure: "unavailable" }],
    [{ kind: "html", status: 200 }, { failure: "unavailable" }],
    [{ kind: "empty" }, { failure: "unavailable" }],
    [{ kind: "half" }, { failure: "unavailable" }],
    [{ kind: "lost_answer" }, { failure: "unavailable" }],
    [{ kind: "server_error", status: 502 }, { failure: "unavailable" }],
    [
      { kind: "rate_limit", retryAfterSeconds: 7 },
      { failure: "rate_limited", retryAfterMs: 7_000 },
    ],
  ])("answers %j, which is %j, and the connection stays good", async (kind, expected) => {
    const grant = await world.connect();
    await fault({ path: "/data/v1/accounts", ...kind });
    await expect(list(grant)).rejects.toMatchObject(expected);
    expect((await list(grant)).length).toBe(3);
  });

  it("is not waited for longer than one call may take, however many requests it needs", async () => {
    const grant = await world.connect();
    await fault({ kind: "latency", ms: 250, path: "*", times: 10 });
    await expect(list(grant, 400)).rejects.toMatchObject({ failure: "unavailable" });
    await world.sandbox.control("DELETE", "/faults");
  });

  it("does not know us: that is our fault, not the person's", async () => {
    const env = { ...environmentFor(world.sandbox.origin), TRUELAYER_CLIENT_SECRET: "another-secret" };
    const stranger = must(makeConnector(world.http, { env }));
    await expect(world.connect({}, stranger)).rejects.toMatchObject({ failure: "client_refused" });
  });
});

describe("a refresh at TrueLayer", () => {
  it("replaces both tokens: the old refresh token is dead", async () => {
    const grant = await world.connect();
    const tokens = await refresh(grant);
    expect(tokens.refreshToken).not.toBe(grant.refreshToken);
    expect(tokens.accessTokenExpiresAt).toBeInstanceOf(Date);
    await expect(refresh(grant)).rejects.toMatchObject({ failure: "grant_refused", oauthError: "invalid_grant" });
    await refresh({ ...grant, ...tokens });
  });

  it("tells a consent that has ended from an outage, and a bank that was given up", async () => {
    const grant = await world.connect();
    await fault({ kind: "provider_error", code: "temporarily_unavailable", path: "/connect/token" });
    await expect(refresh(grant)).rejects.toMatchObject({ failure: "unavailable" });
    await fault({ kind: "provider_error", code: "deprecated_provider", path: "/connect/token" });
    await expect(refresh(grant)).rejects.toMatchObject({ failure: "grant_refused" });
    await world.sandbox.control("POST", `/connections/${grant.providerReference}/expire-consent`);
    await expect(refresh(grant)).rejects.toMatchObject({ failure: "grant_refused" });
  });
});

describe("extending a consent at TrueLayer", () => {
  it("works without the bank where that allows it, with new tokens and another 90 days", async () => {
    const grant = await world.connect();
    world.sandbox.clock.advance(10 * 86_400_000);
    const { tokens, authUrl } = await extend(grant);
    expect(authUrl).toBeUndefined();
    expect(daysAway(tokens?.consentExpiresAt)).toBe(90);
    await expect(list(grant)).rejects.toMatchObject({ failure: "unauthorized" });
    expect((await list({ ...grant, ...must(tokens) })).length).toBe(3);
  });

  it("sends the user to a strict bank, and keeps the connection's id", async () => {
    const grant = await world.connect({ providerId: "ob-heron" });
    const extension = await extend(grant);
    expect(extension.tokens).toBeUndefined();
    const query = await world.visit(must(extension.authUrl));
    expect(query.get("state")).toBe("state-of-the-extension");
    const code = query.get("code") ?? "";
    const answer = { ...start, iss: "", code, proofs: must(extension.proofs), reconnect: accessOf(grant) };
    const renewed = await world.connector.complete(answer, world.call());
    expect(renewed).toMatchObject({
      providerReference: grant.providerReference,
      ownerReference: grant.ownerReference,
    });
  });

  it("is refused once the consent was taken back", async () => {
    const grant = await world.connect();
    const path = `/connections/${grant.providerReference}/revoke`;
    await world.sandbox.control("POST", path, { notify: false });
    await expect(extend(grant)).rejects.toMatchObject({ failure: "grant_refused" });
  });
});

describe("the end of a connection at TrueLayer", () => {
  const end = (secrets: { accessToken?: string; providerReference?: string }, connector = world.connector) =>
    connector.revoke("ob-thames", secrets, world.call());

  it("is confirmed by TrueLayer, needs no living access token, and may be asked for twice", async () => {
    const grant = await world.connect();
    const { providerReference } = grant;
    await world.sandbox.control("POST", `/connections/${providerReference}/expire-access-token`);
    await end({ providerReference });
    await expect(refresh(grant)).rejects.toMatchObject({ failure: "grant_refused" });
    await end({ providerReference, accessToken: grant.accessToken });
  });

  it("is reached by the access token where TrueLayer does not know the way by id", async () => {
    const grant = await world.connect();
    const { accessToken, providerReference } = grant;
    await fault({ kind: "provider_error", code: "not_found", path: "/connect/token/:credentialsId" });
    await end({ providerReference, accessToken });
    await expect(refresh(grant)).rejects.toMatchObject({ failure: "grant_refused" });
  });

  it("is not believed during an outage, nor when TrueLayer does not know us", async () => {
    const { accessToken, providerReference } = await world.connect();
    await fault({ kind: "html", path: "/connect/token/:credentialsId" });
    await expect(end({ providerReference, accessToken })).rejects.toMatchObject({ failure: "unavailable" });
    const env = { ...environmentFor(world.sandbox.origin), TRUELAYER_CLIENT_SECRET: "another-secret" };
    const stranger = must(makeConnector(world.http, { env }));
    await expect(end({ providerReference }, stranger)).rejects.toMatchObject({ failure: "unavailable" });
  });
});

it("lists the banks of its words by name, with the country's ISO code", async () => {
  const institutions = await world.connector.listInstitutions(world.call());
  expect(institutions.map((each) => each.institutionId)).toEqual(["ob-heron", "ob-saltire", "ob-thames"]);
  expect(institutions[0]?.countries).toEqual(["GB"]);
  const env = { ...environmentFor(world.sandbox.origin), TRUELAYER_PROVIDERS: "uk-ob-all" };
  const british = must(makeConnector(world.http, { env }));
  expect((await british.listInstitutions(world.call())).length).toBe(3);
  const austrian = must(makeConnector(world.http, { env: { ...env, TRUELAYER_PROVIDERS: "at-xs2a-all" } }));
  expect(await austrian.listInstitutions(world.call())).toEqual([]);
  const single = must(makeConnector(world.http, { env: { ...env, TRUELAYER_PROVIDERS: "ob-saltire, at-xs2a-all" } }));
  expect((await single.listInstitutions(world.call())).map((each) => each.name)).toEqual(["Saltire Bank"]);
});
