import { createHash } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { FormBrowser, plainText } from "../../platform/testing/form-browser.ts";
import type { Answer } from "../kit/testing/start-in-test.ts";
import { app, redirectUri, type SandboxWorld, startSandboxWorld } from "./testing/sandbox-world.ts";

let world: SandboxWorld;
beforeAll(async () => {
  world = await startSandboxWorld();
});
afterAll(() => world?.stop());
beforeEach(async () => {
  await world.control("POST", "/reset");
});

const isBack = (location: string) => location.startsWith(redirectUri);
const exchange = (code: string, more: Readonly<Record<string, string>> = {}) =>
  world.token({ grant_type: "authorization_code", redirect_uri: redirectUri, code, ...more });
const refusal = ({ status, body }: Answer) => [status, body["error"]];

async function walk(parameters: Readonly<Record<string, string>>): Promise<{ browser: FormBrowser; url: string }> {
  const browser = new FormBrowser();
  const banks = await browser.open(world.link(parameters));
  const signIn = await browser.press(banks, "Saltire Bank");
  const consent = await browser.press(signIn, "Sign in", { "User name": "john", Password: "doe" });
  expect(plainText(consent.text)).toContain("Paymesh asks Saltire Bank for");
  return { browser, url: (await browser.press(consent, "Allow", {}, isBack)).url };
}

describe("the auth link", () => {
  it("leads a person from the choice of a bank to the app with a code and the state", async () => {
    const { url } = await walk({ state: "state-1" });
    const answer = new URL(url).searchParams;
    expect(answer.get("state")).toBe("state-1");
    const tokens = await exchange(answer.get("code") ?? "");
    expect(tokens.body).toMatchObject({ token_type: "Bearer", expires_in: 3600 });
    const me = await world.read("/data/v1/me", String(tokens.body["access_token"]));
    expect(me.body).toMatchObject({ results: [{ client_id: app.clientId, provider: { provider_id: "ob-saltire" } }] });
  });

  it("works once", async () => {
    const link = world.link();
    await world.control("POST", "/consents", { url: link });
    const again = await new FormBrowser().open(link);
    expect(again.status).toBe(410);
    expect(plainText(again.text)).toContain("has been used or has expired");
  });

  it("ends after half an hour", async () => {
    const browser = new FormBrowser();
    const page = await browser.open(world.link());
    await world.control("PATCH", "/settings", { clockSkewSeconds: 1801 });
    expect((await browser.press(page, "Saltire Bank")).status).toBe(410);
  });

  it("carries access_denied when the person denies", async () => {
    const browser = new FormBrowser();
    const page = await browser.open(world.link({ state: "s", provider_id: "ob-heron" }));
    expect(plainText(page.text)).toContain("Sign in at Heron Building Society");
    const { url } = await browser.press(page, "Deny", {}, isBack);
    const answer = new URL(url).searchParams;
    expect([answer.get("error"), answer.get("state"), answer.get("code")]).toEqual(["access_denied", "s", null]);
  });

  it("posts the answer as a form when asked to", async () => {
    const browser = new FormBrowser();
    const page = await browser.open(world.link({ response_mode: "form_post", state: "s", provider_id: "ob-thames" }));
    const consent = await browser.press(page, "Sign in", { "User name": "priya", Password: "shah" });
    const form = await browser.press(consent, "Allow");
    expect(form.status).toBe(200);
    expect(form.text).toContain(`action="${redirectUri}"`);
    expect(form.text).toMatch(/name="code" value="[\w-]{43}"/);
    const script = /<script>(.*?)<\/script>/.exec(form.text)?.[1] ?? "";
    const hash = createHash("sha256").update(script).digest("base64");
    expect(form.headers.get("content-security-policy")).toContain(`script-src 'sha256-${hash}'`);
  });

  it("refuses a wrong password, and is of no more use after five", async () => {
    const browser = new FormBrowser();
    const page = await browser.open(world.link({ provider_id: "ob-thames" }));
    const wrong = { "User name": "john", Password: "wrong" };
    let answer = await browser.press(page, "Sign in", wrong);
    expect(answer.status).toBe(401);
    for (let count = 2; count <= 5; count += 1) answer = await browser.press(page, "Sign in", wrong);
    expect(answer.status).toBe(410);
  });

  it("shows a page to a stranger's link and never sends anybody to an unregistered address", async () => {
    for (const parameters of [{ client_id: "other" }, { redirect_uri: "https://evil.example/" }]) {
      const answer = await world.call(world.link(parameters));
      expect([answer.status, answer.headers.get("location")]).toEqual([400, null]);
    }
  });

  it.each([
    [{ response_type: "token" }, "unsupported_response_type"],
    [{ scope: "accounts payments" }, "invalid_scope"],
    [{ providers: "de-xs2a-all" }, "invalid_request"],
    [{ providers: "ob-thames", provider_id: "ob-heron" }, "invalid_request"],
    [{ code_challenge: "short" }, "invalid_request"],
  ])("tells the app what is wrong with %o", async (parameters, error) => {
    const answer = await world.call(world.link({ ...parameters, state: "s" }));
    const url = new URL(answer.headers.get("location") ?? "");
    expect([url.searchParams.get("error"), url.searchParams.get("state")]).toEqual([error, "s"]);
  });

  it("refuses a form that another site made", async () => {
    const page = await new FormBrowser().open(world.link());
    const { pathname } = new URL(page.url);
    const answer = await world.call(`${pathname}/deny`, { method: "POST", body: new URLSearchParams({ _csrf: "x" }) });
    expect(answer.status).toBe(403);
  });
});

describe("the token endpoint", () => {
  it("exchanges a code once, within five minutes, at its own redirect URI", async () => {
    const code = await world.code();
    expect(refusal(await exchange(code, { redirect_uri: "http://127.0.0.1:9/other" }))).toEqual([400, "invalid_grant"]);
    expect((await exchange(code)).status).toBe(200);
    const reused = await exchange(code);
    expect(refusal(reused)).toEqual([400, "invalid_authorization_code"]);
    expect(Object.keys(reused.body)).toEqual(["error", "error_description"]);
    const late = await world.code();
    await world.control("PATCH", "/settings", { clockSkewSeconds: 301 });
    expect(refusal(await exchange(late))).toEqual([400, "invalid_authorization_code"]);
  });

  it("gives one of eight callers with the same code the tokens", async () => {
    const code = await world.code();
    const answers = await Promise.all(Array.from({ length: 8 }, () => exchange(code)));
    expect(answers.map((each) => each.status).sort()).toEqual([200, 400, 400, 400, 400, 400, 400, 400]);
  });

  it("asks for the verifier of the challenge that was sent", async () => {
    const verifier = "v".repeat(50);
    const parameters = {
      code_challenge: createHash("sha256").update(verifier).digest("base64url"),
      code_challenge_method: "S256",
    };
    const code = await world.code({ parameters });
    expect(refusal(await exchange(code))).toEqual([400, "invalid_grant"]);
    expect(refusal(await exchange(code, { code_verifier: "w".repeat(50) }))).toEqual([400, "invalid_grant"]);
    expect((await exchange(code, { code_verifier: verifier })).status).toBe(200);
  });

  it("refuses a wrong client before it looks at anything else", async () => {
    expect(refusal(await exchange("none", { client_secret: "wrong" }))).toEqual([400, "invalid_client"]);
    expect(refusal(await exchange("none", { client_id: "wrong" }))).toEqual([400, "invalid_client"]);
    expect(refusal(await world.token({ grant_type: "password" }))).toEqual([400, "unsupported_grant_type"]);
    expect(refusal(await world.token({}))).toEqual([400, "validation_error"]);
  });

  it("rotates both tokens at a refresh: the old ones are dead", async () => {
    const first = await world.connect();
    const second = (await world.refresh(first.refresh_token)).body;
    expect(refusal(await world.read("/data/v1/me", first.access_token))).toEqual([401, "invalid_token"]);
    expect((await world.read("/data/v1/me", String(second["access_token"]))).status).toBe(200);
    expect(refusal(await world.refresh(first.refresh_token))).toEqual([400, "invalid_grant"]);
    expect((await world.refresh(String(second["refresh_token"]))).status).toBe(200);
  });

  it("lets one of eight refreshes with the same token through", async () => {
    const { refresh_token } = await world.connect();
    const answers = await Promise.all(Array.from({ length: 8 }, () => world.refresh(refresh_token)));
    expect(answers.filter((each) => each.status === 200)).toHaveLength(1);
    expect(answers.filter((each) => each.body["error"] === "invalid_grant")).toHaveLength(7);
  });

  it("gives no refresh token without offline_access", async () => {
    expect(await world.connect({ parameters: { scope: "accounts" } })).not.toHaveProperty("refresh_token");
  });

  it("ends access tokens after their time and refreshing after the consent's 90 days", async () => {
    const tokens = await world.connect();
    await world.control("PATCH", "/settings", { clockSkewSeconds: 3601 });
    expect(refusal(await world.read("/data/v1/me", tokens.access_token))).toEqual([401, "invalid_token"]);
    await world.control("PATCH", "/settings", { clockSkewSeconds: 90 * 86_400 - 60 });
    const renewed = await world.refresh(tokens.refresh_token);
    expect(renewed.status).toBe(200);
    await world.control("PATCH", "/settings", { clockSkewSeconds: 90 * 86_400 + 60 });
    expect(refusal(await world.refresh(String(renewed.body["refresh_token"])))).toEqual([400, "invalid_grant"]);
  });

  it("deletes a connection for its own token or for the app, once", async () => {
    const idOf = async (accessToken: string) => {
      const { body } = await world.read("/data/v1/me", accessToken);
      return (body["results"] as { credentials_id: string }[])[0]?.credentials_id ?? "";
    };
    const remove = (id: string, authorization: string) =>
      world.call(`/connect/token/${id}`, { method: "DELETE", headers: { authorization } });
    const [one, other] = [await world.connect(), await world.connect()];
    const [oneId, otherId] = [await idOf(one.access_token), await idOf(other.access_token)];
    expect((await remove(otherId, `Bearer ${one.access_token}`)).status).toBe(404);
    expect((await remove(oneId, `Bearer ${one.access_token}`)).status).toBe(204);
    expect(refusal(await world.refresh(one.refresh_token))).toEqual([400, "invalid_grant"]);
    const basic = (secret: string) => `Basic ${Buffer.from(`${app.clientId}:${secret}`).toString("base64")}`;
    expect(refusal(await remove(otherId, basic("wrong")))).toEqual([400, "invalid_client"]);
    expect((await remove(otherId, basic(app.clientSecret))).status).toBe(204);
    expect(refusal(await remove(otherId, basic(app.clientSecret)))).toEqual([404, "not_found"]);
    const third = await world.connect();
    const byToken = () =>
      world.call("/api/delete", { method: "DELETE", headers: { authorization: `Bearer ${third.access_token}` } });
    expect((await byToken()).status).toBe(200);
    expect(refusal(await world.refresh(third.refresh_token))).toEqual([400, "invalid_grant"]);
    expect(refusal(await byToken())).toEqual([401, "invalid_token"]);
  });
});

describe("extending a connection", () => {
  const extend = (fields: object) =>
    world.call("/connections/extend", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({
        client_id: app.clientId,
        client_secret: app.clientSecret,
        redirect_uri: redirectUri,
        user_has_reconfirmed_consent: true,
        ...fields,
      }),
    });
  const consentEnd = async (accessToken: unknown) => {
    const { body } = await world.read("/data/v1/me", String(accessToken));
    return Date.parse((body["results"] as { consent_expires_at: string }[])[0]?.consent_expires_at ?? "");
  };

  it("renews the consent and the tokens at a bank that needs no sign-in", async () => {
    const { access_token, refresh_token } = await world.connect();
    const before = await consentEnd(access_token);
    await world.control("PATCH", "/settings", { clockSkewSeconds: 80 * 86_400 });
    const answer = await extend({ refresh_token });
    expect(answer.body).toMatchObject({ action_needed: "no_action_needed", token_type: "Bearer" });
    expect(((await consentEnd(answer.body["access_token"])) - before) / 86_400_000).toBeCloseTo(80, 1);
    expect(refusal(await world.refresh(refresh_token))).toEqual([400, "invalid_grant"]);
  });

  it("asks for a sign-in at a strict bank, and keeps the connection", async () => {
    const { access_token, refresh_token } = await world.connect({ providerId: "ob-heron" });
    const before = await world.read("/data/v1/me", access_token);
    const answer = await extend({ refresh_token });
    expect(answer.body["action_needed"]).toBe("authentication_needed");
    expect((await world.read("/data/v1/me", access_token)).status).toBe(200);
    const browser = new FormBrowser();
    const page = await browser.open(String(answer.body["user_input_link"]));
    const other = await browser.press(page, "Sign in", { "User name": "priya", Password: "shah" });
    expect(other.status).toBe(401);
    const consent = await browser.press(page, "Sign in", { "User name": "john", Password: "doe" });
    const { url } = await browser.press(consent, "Allow", {}, isBack);
    const renewed = await exchange(new URL(url).searchParams.get("code") ?? "");
    const after = await world.read("/data/v1/me", String(renewed.body["access_token"]));
    const idOf = ({ body }: Answer) => (body["results"] as { credentials_id: string }[])[0]?.credentials_id;
    expect(idOf(after)).toBe(idOf(before));
  });

  it("refuses without the person's word, and with a dead token", async () => {
    const { refresh_token } = await world.connect();
    expect(refusal(await extend({ refresh_token, user_has_reconfirmed_consent: false }))).toEqual([
      400,
      "validation_error",
    ]);
    expect(refusal(await extend({ refresh_token: "dead" }))).toEqual([400, "invalid_grant"]);
  });
});
