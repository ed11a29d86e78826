import { beforeEach, describe, expect, it } from "vitest";
import { FormBrowser, plainText } from "../../platform/testing/form-browser.ts";
import { setUp } from "../../platform/testing/set-up.ts";
import type { Answer } from "../kit/testing/start-in-test.ts";
import { basicOf, type RunningWise, startWise, wiseRedirectUri } from "./testing/start-wise.ts";

let wise: RunningWise;
setUp(async () => {
  wise = await startWise();
  return () => wise.stop();
});
beforeEach(async () => {
  await wise.control("POST", "/reset");
});

const isBack = (location: string) => location.startsWith(wiseRedirectUri);
const refusal = ({ status, body }: Answer) => [status, body["error"]];
const exchange = (code: string, more: Readonly<Record<string, string>> = {}) =>
  wise.token({ grant_type: "authorization_code", redirect_uri: wiseRedirectUri, code, ...more });

describe("the authorization page", () => {
  it("leads a person who signs in and chooses a profile to the application with code, profile and state", async () => {
    const browser = new FormBrowser();
    const signIn = await browser.open(wise.link({ state: "s-1" }));
    const wrong = await browser.press(signIn, "Sign in", { "User name": "oliver", Password: "wrong" });
    expect(wrong.status).toBe(401);
    const consent = await browser.press(wrong, "Sign in", { "User name": "oliver", Password: "wilson" });
    expect(plainText(consent.text)).toContain("Paymesh asks Wise for");
    const { url } = await browser.press(consent, "Allow for Alderwick Studios Ltd", {}, isBack);
    const back = new URL(url).searchParams;
    expect(back.get("state")).toBe("s-1");
    const tokens = await exchange(back.get("code") ?? "");
    const profiles = await wise.read("/v2/profiles", String(tokens.body["access_token"]));
    expect(JSON.parse(profiles.text)).toMatchObject([
      { id: Number(back.get("profileId")), type: "BUSINESS", businessName: "Alderwick Studios Ltd" },
    ]);
  });

  it("carries access_denied when the person denies, and is of no more use then", async () => {
    const browser = new FormBrowser();
    const page = await browser.open(wise.link());
    const { url } = await browser.press(page, "Deny", {}, isBack);
    expect(new URL(url).searchParams.get("error")).toBe("access_denied");
    expect((await browser.open(page.url)).status).toBe(410);
  });

  it("is of no more use after five wrong passwords, or half an hour", async () => {
    const browser = new FormBrowser();
    let page = await browser.open(wise.link());
    const wrong = { "User name": "mira", Password: "wrong" };
    for (let count = 1; count < 5; count += 1) page = await browser.press(page, "Sign in", wrong);
    expect(page.status).toBe(401);
    expect((await browser.press(page, "Sign in", wrong)).status).toBe(410);
    const late = await browser.open(wise.link());
    await wise.control("PATCH", "/settings", { clockSkewSeconds: 1_801 });
    expect((await browser.press(late, "Sign in", { "User name": "mira", Password: "kask" })).status).toBe(410);
  });

  it("shows a page to a stranger's link and sends nobody to an address that is not registered", async () => {
    for (const parameters of [{ client_id: "other" }, { redirect_uri: "https://evil.example/" }]) {
      const answer = await wise.call(wise.link(parameters));
      expect([answer.status, answer.headers.get("location")]).toEqual([400, null]);
    }
  });
});

describe("the token endpoint", () => {
  it("exchanges a code once, at its own address, for tokens of twelve hours", async () => {
    const code = (await wise.consent()).get("code") ?? "";
    expect(refusal(await exchange(code, { redirect_uri: "http://127.0.0.1:1/" }))).toEqual([401, "invalid_grant"]);
    const { status, body } = await exchange(code);
    expect(status).toBe(200);
    expect(body).toMatchObject({ token_type: "bearer", expires_in: 43_199, scope: "transfers" });
    expect(Date.parse(String(body["refresh_token_expires_at"])) - wise.clock.now().getTime()).toBeGreaterThan(6e11);
    expect(refusal(await exchange(code))).toEqual([401, "invalid_grant"]);
  });

  it("gives one of eight callers with the same code the tokens", async () => {
    const code = (await wise.consent()).get("code") ?? "";
    const statuses = (await Promise.all(Array.from({ length: 8 }, () => exchange(code)))).map((each) => each.status);
    expect(statuses.filter((each) => each === 200)).toHaveLength(1);
  });

  it("wants HTTP Basic before anything else, and a grant type it knows", async () => {
    const body = new URLSearchParams({ grant_type: "client_credentials" });
    for (const headers of [{}, { authorization: basicOf("wrong") }]) {
      expect(refusal(await wise.call("/oauth/token", { method: "POST", headers, body }))).toEqual([
        401,
        "invalid_client",
      ]);
    }
    expect(refusal(await wise.token({}))).toEqual([400, "invalid_request"]);
    expect(refusal(await wise.token({ grant_type: "password" }))).toEqual([400, "unsupported_grant_type"]);
  });

  it("rotates the refresh token: of eight refreshes with one token one works, and the old token is dead", async () => {
    const { refresh_token } = await wise.connect();
    const answers = await Promise.all(Array.from({ length: 8 }, () => wise.refresh(refresh_token)));
    expect(answers.filter((each) => each.status === 200)).toHaveLength(1);
    expect(answers.filter((each) => each.body["error"] === "invalid_grant")).toHaveLength(7);
    await wise.control("PATCH", "/settings", { refreshRotates: false });
    const kept = await wise.connect();
    expect((await wise.refresh(kept.refresh_token)).body["refresh_token"]).toBe(kept.refresh_token);
    expect((await wise.refresh(kept.refresh_token)).status).toBe(200);
  });

  it("ends access tokens after their time, and everything once the person took the account back", async () => {
    const { access_token, refresh_token, profileId } = await wise.connect({ username: "mira" });
    await wise.control("PATCH", "/settings", { clockSkewSeconds: 43_200 });
    expect(refusal(await wise.read("/v2/profiles", access_token))).toEqual([401, "invalid_token"]);
    const renewed = (await wise.refresh(refresh_token)).body;
    const { body } = await wise.control("GET", "/grants");
    const grants = body["grants"] as { grantId: string; profileId: number }[]; // as the sandbox answers
    const grant = grants.find((each) => String(each.profileId) === profileId);
    await wise.control("POST", `/grants/${grant?.grantId}/reclaim`);
    expect(refusal(await wise.read("/v2/profiles", String(renewed["access_token"])))).toEqual([401, "invalid_token"]);
    expect(refusal(await wise.refresh(String(renewed["refresh_token"])))).toEqual([401, "invalid_grant"]);
  });

  it("gives the application a token of its own, without refresh, that opens nobody's data", async () => {
    const { body } = await wise.token({ grant_type: "client_credentials" });
    expect(body).not.toHaveProperty("refresh_token");
    expect((await wise.read("/v2/profiles", String(body["access_token"]))).status).toBe(403);
  });
});
