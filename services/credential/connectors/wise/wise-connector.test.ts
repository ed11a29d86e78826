import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { FormBrowser } from "../../../platform/testing/form-browser.ts";
import { wiseRedirectUri } from "../../../sandbox/wise/testing/start-wise.ts";
import type { Grant } from "../connector.ts";
import { accessOf, makeConnector, must, start, startWiseWorld, type WiseWorld } from "./testing/wise-world.ts";

const dayMs = 86_400_000;
let world: WiseWorld;
beforeAll(async () => {
  world = await startWiseWorld();
});
afterAll(() => world?.stop());
beforeEach(async () => {
  for (const path of ["/faults", "/calls", "/settings"]) await world.wise.control("DELETE", path);
});

const fault = (body: object) => world.wise.control("POST", "/faults", body);
const list = (grant: Grant, timeoutMs?: number) => world.connector.listAccounts(accessOf(grant), world.call(timeoutMs));
const refresh = ({ institutionId, refreshToken = "", providerReference }: Grant) =>
  must(world.connector.refresh)({ institutionId, refreshToken, providerReference }, world.call());
const awayMs = (date: Date | undefined) => must(date).getTime() - world.wise.clock.now().getTime();

/** The person takes his account back: every grant of it ends. */
async function reclaim({ providerReference }: Grant): Promise<void> {
  const { body } = await world.wise.control("GET", "/grants");
  const grants = body["grants"] as { grantId: string; profileId: number }[]; // as the sandbox answers
  for (const { grantId, profileId } of grants) {
    if (String(profileId) === providerReference) await world.wise.control("POST", `/grants/${grantId}/reclaim`);
  }
}

async function callsOf(path: string): Promise<readonly { status: number | null; fields: string[] }[]> {
  const { body } = await world.wise.control("GET", `/calls?path=${path}`);
  return body["calls"] as { status: number | null; fields: string[] }[];
}

describe("a consent at Wise", () => {
  it("begins at Wise's page with the state, and becomes a connection of the chosen profile", async () => {
    const begun = await world.connector.begin(start, world.call());
    const browser = new FormBrowser();
    const page = await browser.open(must(begun.authUrl));
    const consent = await browser.press(page, "Sign in", { "User name": "oliver", Password: "wilson" });
    const end = await browser.press(consent, "Allow for Alderwick Studios Ltd", {}, (to) =>
      to.startsWith(wiseRedirectUri),
    );
    const facts = must(world.connector.readCallback)(new URL(end.url).searchParams);
    expect(facts.state).toBe(start.state);
    const grant = await world.connector.complete(
      { ...start, iss: "", code: facts.code, proofs: begun.proofs },
      world.call(),
    );
    expect(grant).toMatchObject({
      institutionId: "wise",
      institutionName: "Wise",
      profileName: "Alderwick Studios Ltd",
      profileEmail: "oliver.wilson@example.com",
      providerReference: new URL(end.url).searchParams.get("profileId"),
    });
    expect(awayMs(grant.accessTokenExpiresAt)).toBe(43_199_000);
    expect(awayMs(grant.consentExpiresAt) / dayMs).toBe(20 * 365);
    expect((await list(grant)).map((each) => each.currency)).toEqual(["GBP", "USD"]);
  });

  it("whose code comes without a profile is of the person himself", async () => {
    const begun = await world.connector.begin(start, world.call());
    const code = must((await world.visit(must(begun.authUrl))).get("code") ?? undefined);
    const grant = await world.connector.complete({ ...start, iss: "", code, proofs: begun.proofs }, world.call());
    expect(grant.profileName).toBe("Oliver Wilson");
  });

  it("that names a profile it does not open is refused as tampered with, and its tokens are given up", async () => {
    const begun = await world.connector.begin(start, world.call());
    const back = await world.visit(must(begun.authUrl), { username: "mira" });
    const other = await world.connect({ username: "oliver" });
    back.set("profileId", other.providerReference);
    const { code } = must(world.connector.readCallback)(back);
    await world.wise.control("DELETE", "/calls");
    const completed = world.connector.complete({ ...start, iss: "", code, proofs: begun.proofs }, world.call());
    await expect(completed).rejects.toMatchObject({ failure: "mismatch" });
    expect((await callsOf("/oauth/token")).map((each) => each.fields)).toEqual([
      expect.arrayContaining(["grant_type=authorization_code"]),
      expect.arrayContaining(["grant_type=refresh_token"]),
    ]);
  });

  it("that its person left, or whose code is used, is refused", async () => {
    const begun = await world.connector.begin(start, world.call());
    const left = must(world.connector.readCallback)(await world.visit(must(begun.authUrl), { deny: true }));
    expect([left.error, left.code]).toEqual(["access_denied", ""]);
    const { code } = must(world.connector.readCallback)(await world.wise.consent());
    const answer = { ...start, iss: "", code, proofs: "{}" };
    await world.connector.complete(answer, world.call());
    await expect(world.connector.complete(answer, world.call())).rejects.toMatchObject({
      failure: "grant_refused",
      oauthError: "invalid_grant",
    });
  });

  it("completes over a moment's outage, and is given up when Wise does not tell whose it is", async () => {
    await fault({ kind: "server_error", status: 503, path: "/v2/profiles", times: 2 });
    expect((await world.connect()).providerReference).not.toBe("");
    await fault({ kind: "html", path: "/v2/profiles", times: 3 });
    await expect(world.connect()).rejects.toMatchObject({ failure: "unavailable" });
    const [last] = (await callsOf("/oauth/token")).slice(-1);
    expect(last?.fields).toContain("grant_type=refresh_token");
  });

  it("is of one institution, and of no other", async () => {
    expect(await world.connector.listInstitutions(world.call())).toEqual([
      { institutionId: "wise", name: "Wise", countries: [] },
    ]);
    await world.connector.check("", "begin");
    await expect(world.connector.check("north-bank", "begin")).rejects.toMatchObject({ reason: "BANK_NOT_FOUND" });
  });
});

describe("tokens of Wise", () => {
  it("are renewed as a pair, with HTTP Basic: the old refresh token is dead", async () => {
    const grant = await world.connect();
    const renewed = await refresh(grant);
    expect(renewed.refreshToken).not.toBe(grant.refreshToken);
    expect((await list({ ...grant, ...renewed })).length).toBe(3);
    await expect(refresh(grant)).rejects.toMatchObject({ failure: "grant_refused" });
    expect((await refresh({ ...grant, ...renewed })).accessToken).not.toBe("");
  });

  it("work the same where Wise keeps the refresh token", async () => {
    await world.wise.control("PATCH", "/settings", { refreshRotates: false });
    const grant = await world.connect();
    expect((await refresh(grant)).refreshToken).toBe(grant.refreshToken);
    expect((await refresh(grant)).refreshToken).toBe(grant.refreshToken);
  });

  it("are over once the person took the account back: that needs him, and is no outage", async () => {
    const grant = await world.connect({ username: "oliver", profile: "BUSINESS" });
    await reclaim(grant);
    await expect(list(grant)).rejects.toMatchObject({ failure: "unauthorized" });
    await expect(refresh(grant)).rejects.toMatchObject({ failure: "grant_refused" });
  });

  it("are refused for our own credentials: our fault, not the person's, and no secret is in the error", async () => {
    const secret = "another-secret-entirely";
    const wrong = must(makeConnector(world.http, { env: { ...world.env, WISE_CLIENT_SECRET: secret } }));
    const refused = await world.connect({}, wrong).catch((error: unknown) => error);
    expect(refused).toMatchObject({ failure: "client_refused", correlationId: expect.any(String) });
    expect(JSON.stringify(refused) + String(refused)).not.toContain(secret);
  });

  it.each([
    [{ kind: "lost_answer" }],
    [{ kind: "html", afterEffect: true }],
    [{ kind: "html", status: 200, afterEffect: true }],
    [{ kind: "empty", afterEffect: true }],
    [{ kind: "half" }],
  ])("may have been renewed when the answer is %j, and that is told", async (how) => {
    const grant = await world.connect();
    await fault({ path: "/oauth/token", ...how });
    await expect(refresh(grant)).rejects.toMatchObject({ failure: "unavailable", mayHaveActed: true });
  });

  it("are not believed refused by a page of HTML, nor when Wise asks for patience", async () => {
    const grant = await world.connect();
    await fault({ kind: "html", status: 401, path: "/oauth/token" });
    await expect(refresh(grant)).rejects.toMatchObject({ failure: "unavailable" });
    await fault({ kind: "rate_limit", retryAfterSeconds: 9, path: "/oauth/token" });
    await expect(refresh(grant)).rejects.toMatchObject({ failure: "rate_limited", retryAfterMs: 9_000 });
    expect((await refresh(grant)).accessToken).not.toBe("");
  });

  it("are used up when a connection ends, and again without complaint", async () => {
    const grant = await world.connect();
    const { accessToken, refreshToken } = grant;
    await fault({ kind: "server_error", status: 503, path: "/oauth/token" });
    const secrets = { accessToken, refreshToken };
    await expect(world.connector.revoke("wise", secrets, world.call())).rejects.toMatchObject({
      failure: "unavailable",
    });
    await world.connector.revoke("wise", secrets, world.call());
    await expect(refresh(grant)).rejects.toMatchObject({ failure: "grant_refused" });
    await world.connector.revoke("wise", secrets, world.call());
    await world.connector.revoke("wise", {}, world.call());
  });
});

describe("balances at Wise", () => {
  it("are accounts in minor units: what is there, and what of it is available", async () => {
    const grant = await world.connect();
    const before = await list(grant);
    expect(before.map(({ accountType, currency, displayName }) => [accountType, currency, displayName])).toEqual([
      ["STANDARD", "GBP", "GBP balance"],
      ["STANDARD", "EUR", "EUR balance"],
      ["SAVINGS", "GBP", "Holiday"],
    ]);
    const balanceId = Number(before[0]?.accountId);
    const posting = { balanceId, amount: "-12.34", description: "Kite shop", pending: true, notify: false };
    await world.wise.control("POST", "/transactions", posting);
    const after = await list(grant);
    expect(after[0]?.balanceMinor).toBe(before[0]?.balanceMinor);
    expect(after[0]?.availableMinor).toBe(must(before[0]?.availableMinor) - 1_234n);
  });

  it("of standard type alone are shown where the settings say so", async () => {
    const grant = await world.connect();
    const plain = must(makeConnector(world.http, { env: { ...world.env, WISE_BALANCE_TYPES: "STANDARD" } }));
    expect((await plain.listAccounts(accessOf(grant), world.call())).length).toBe(2);
  });
});

describe("Wise on a bad day", () => {
  const path = "/v4/profiles/:profileId/balances";
  it.each([
    [{ kind: "html" }, { failure: "unavailable" }],
    [{ kind: "html", status: 200 }, { failure: "unavailable" }],
    [{ kind: "empty" }, { failure: "unavailable" }],
    [{ kind: "half" }, { failure: "unavailable" }],
    [{ kind: "lost_answer" }, { failure: "unavailable" }],
    [
      { kind: "server_error", status: 503 },
      { failure: "unavailable", correlationId: expect.any(String) },
    ],
    [
      { kind: "rate_limit", retryAfterSeconds: 7 },
      { failure: "rate_limited", retryAfterMs: 7_000 },
    ],
    [{ kind: "provider_error", code: "invalid_token" }, { failure: "unauthorized" }],
    [{ kind: "provider_error", code: "FORBIDDEN" }, { failure: "forbidden" }],
  ] as const)("answers %j, which is %j", async (how, expected) => {
    const grant = await world.connect();
    await fault({ path, ...how });
    await expect(list(grant)).rejects.toMatchObject(expected);
    expect((await list(grant)).length).toBe(3);
  });

  it("is not waited for longer than the call allows", async () => {
    const grant = await world.connect();
    await fault({ path, kind: "latency", ms: 3_000 });
    await expect(list(grant, 300)).rejects.toMatchObject({ failure: "unavailable" });
  });

  it("repeats our token in its refusal, and the error holds none of it", async () => {
    const refused = await list({ ...(await world.connect()), accessToken: "token-of-nobody" }).catch(
      (error: unknown) => error,
    );
    expect(refused).toMatchObject({ failure: "unauthorized" });
    expect(JSON.stringify(refused) + String(refused)).not.toContain("token-of-nobody");
  });

  it("answers with a wrong type, which is an outage and not an account", async () => {
    const grant = await world.connect();
    const odd = must(
      makeConnector(
        {
          ...world.http,
          send: async (request, call) => {
            const answer = await world.http.send(request, call);
            return { ...answer, text: answer.text.replace(/"value":-?[\d.]+/, '"value":{"minor":1}') };
          },
        },
        { env: world.env },
      ),
    );
    await expect(odd.listAccounts(accessOf(grant), world.call())).rejects.toMatchObject({ failure: "unavailable" });
  });
});
