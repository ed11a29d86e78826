import { decodeJwt } from "jose";
import * as oidc from "openid-client";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type Fetched, FormBrowser, plainText } from "../../platform/testing/form-browser.ts";
import { ManualClock } from "../../platform/time/manual-clock.ts";
import { ConnectionError } from "../clients/credential-connections.ts";
import { revokeCardTokens } from "../jobs/revoke-card-tokens.ts";
import { clientSecret, redirectUri, secondSecret, startWorld, type World } from "../testing/payment-page-world.ts";
import { endAbandonedPayments } from "./end-abandoned-payments.ts";
import { assertIssuerSafe } from "./oidc-deps.ts";

let world: World;
let people = 0;

beforeAll(async () => {
  world = await startWorld();
});
afterAll(async () => {
  await world?.close();
});
beforeEach(() => {
  world.credential.failWith = undefined;
  world.credential.hold = undefined;
});

/** A merchant with one payment under way. */
interface Trip {
  readonly config: oidc.Configuration;
  readonly url: string;
  readonly checks: { pkceCodeVerifier: string; expectedState: string; expectedNonce: string; idTokenExpected: true };
}

const payment = {
  amount: "12.34",
  currency: "CAD",
  merchantId: "ssim-merchant",
  merchantName: "Not my name",
  orderId: "order-7",
};

async function merchant(secret = clientSecret, clientId = "ssim-merchant"): Promise<oidc.Configuration> {
  return oidc.discovery(new URL(world.issuer), clientId, secret, undefined, { execute: [oidc.allowInsecureRequests] });
}

async function ask(
  parameters: Record<string, string> = {},
  options: { pushed?: boolean; clientId?: string } = {},
): Promise<Trip> {
  const config = await merchant(clientSecret, options.clientId);
  const codeVerifier = oidc.randomPKCECodeVerifier();
  const [state, nonce] = [oidc.randomState(), oidc.randomNonce()];
  const all = {
    redirect_uri: redirectUri,
    scope: "openid payment:authorize",
    resource: "urn:wsim:payment-api",
    claims: JSON.stringify({
      payment: { ...payment, ...(options.clientId === undefined ? {} : { merchantId: options.clientId }) },
    }),
    state,
    nonce,
    code_challenge: await oidc.calculatePKCECodeChallenge(codeVerifier),
    code_challenge_method: "S256",
    ...parameters,
  };
  for (const [name, value] of Object.entries(all)) if (value === "") delete all[name as keyof typeof all];
  const url = options.pushed
    ? await oidc.buildAuthorizationUrlWithPAR(config, all)
    : oidc.buildAuthorizationUrl(config, all);
  const checks = {
    pkceCodeVerifier: codeVerifier,
    expectedState: state,
    expectedNonce: nonce,
    idTokenExpected: true,
  } as const;
  return { config, url: url.href, checks };
}

const claimsOf = (amount: string) => JSON.stringify({ payment: { ...payment, amount } });
const atMerchant = (url: string) => url.startsWith(redirectUri);

async function signUp(browser: FormBrowser, page: Fetched, email: string): Promise<Fetched> {
  const form = await browser.open(`${page.url.split("?")[0]}?with=sign-up`);
  const sent = await browser.press(form, "Sign up", { Email: email, Name: "Ada Example" });
  return browser.press(sent, "Sign in", { Code: await world.codeFor(email) });
}

function newEmail(): string {
  people += 1;
  return `ada${people}@example.com`;
}

/** Up to the card page, signed up and with one bank. */
async function toCards(browser: FormBrowser, trip: Trip, bank = "North Bank"): Promise<Fetched> {
  const cards = await signUp(browser, await browser.open(trip.url), newEmail());
  return browser.press(cards, `Add ${bank}`);
}

async function redeem(trip: Trip, back: Fetched) {
  return oidc.authorizationCodeGrant(trip.config, new URL(back.url), trip.checks, { resource: "urn:wsim:payment-api" });
}

async function pay(parameters: Record<string, string> = {}, options: { pushed?: boolean } = {}) {
  const browser = new FormBrowser();
  const trip = await ask(parameters, options);
  const back = await browser.press(await toCards(browser, trip), "Authorize", {}, atMerchant);
  return { browser, trip, back, tokens: await redeem(trip, back) };
}

const details = JSON.stringify([{ type: "payment", ...payment }]);

describe("paying a merchant from the wallet", () => {
  it("signs up, adds a bank on the way, authorizes, and hands the merchant both card tokens", async () => {
    const browser = new FormBrowser();
    const trip = await ask();
    const start = await browser.open(trip.url);
    expect(plainText(start.text)).toContain("Birch & Pine asks you to pay $12.34 Order order-7");
    const empty = await signUp(browser, start, newEmail());
    expect(plainText(empty.text)).toContain("Add a bank to pay");
    const cards = await browser.press(empty, "Add Maple Credit Union");
    expect(cards.url).toBe(`${start.url}?enrolled=maple-bank`);
    expect(plainText(cards.text)).toContain("Maple Credit Union was added to your wallet.");
    expect(plainText(cards.text)).toContain("Mastercard •••• ending in 2221 Maple Credit Union");
    const back = await browser.press(cards, "Authorize", {}, atMerchant);
    const tokens = await redeem(trip, back);
    const claims = decodeJwt(tokens.access_token);
    const asked = world.credential.requested.at(-1);
    expect(claims).toMatchObject({
      aud: "urn:wsim:payment-api",
      iss: world.issuer,
      wallet_card_token: expect.stringMatching(/^wsim_maple-bank_/),
      card_token: asked?.cardToken,
      payment_amount: "12.34",
      payment_currency: "CAD",
    });
    expect((claims.exp ?? 0) - (claims.iat ?? 0)).toBe(300);
    expect(tokens.expires_in).toBe(300);
    expect(tokens.refresh_token).toBeUndefined();
  });

  it("gives the bank the merchant's own id at the payment network, and the amount the customer saw", async () => {
    await pay();
    expect(world.credential.requested.at(-1)).toMatchObject({
      merchantId: "nsim-ssim-merchant",
      amountMinor: 1234n,
      currency: "CAD",
    });
  });

  it("takes the payment as authorization_details in a pushed request, and shows nothing of it in the address", async () => {
    const browser = new FormBrowser();
    const trip = await ask({ claims: "", authorization_details: details }, { pushed: true });
    expect(trip.url).not.toContain("12.34");
    const back = await browser.press(await toCards(browser, trip), "Authorize", {}, atMerchant);
    const tokens = await redeem(trip, back);
    expect(decodeJwt(tokens.access_token)).toMatchObject({ payment_amount: "12.34", card_token: expect.any(String) });
  });

  it("takes the claims parameter through a pushed request", async () => {
    const { tokens } = await pay({}, { pushed: true });
    expect(decodeJwt(tokens.access_token)["payment_amount"]).toBe("12.34");
  });

  it("answers at the alias /authorize too", async () => {
    const trip = await ask();
    const page = await new FormBrowser().open(trip.url.replace("/auth?", "/authorize?"));
    expect(plainText(page.text)).toContain("Sign in to your wallet");
  });

  it("puts no card token into the id token", async () => {
    const { tokens } = await pay();
    const claims = decodeJwt(tokens.id_token ?? "");
    expect(claims.sub).toBe(decodeJwt(tokens.access_token).sub);
    expect(JSON.stringify(claims)).not.toMatch(/card_token|payment_/);
  });

  it("makes a fresh grant for each payment, so a second payment asks again", async () => {
    const first = await pay();
    const again = await ask();
    const page = await first.browser.open(again.url);
    expect(plainText(page.text)).toContain("Choose a card");
    const back = await first.browser.press(page, "Authorize", {}, atMerchant);
    const second = await redeem(again, back);
    expect(decodeJwt(second.access_token)["card_token"]).not.toBe(decodeJwt(first.tokens.access_token)["card_token"]);
    expect((await oidc.tokenIntrospection(first.trip.config, first.tokens.access_token)).active).toBe(true);
  });

  it("takes any of a client's live secrets and no other", async () => {
    const trip = await ask();
    const browser = new FormBrowser();
    const back = await browser.press(await toCards(browser, trip), "Authorize", {}, atMerchant);
    await expect(redeem({ ...trip, config: await merchant("wrong secret") }, back)).rejects.toMatchObject({
      error: "invalid_client",
    });
    await expect(redeem({ ...trip, config: await merchant(secondSecret) }, back)).resolves.toBeDefined();
  });

  it("refuses an exchange without the PKCE verifier, and a request without a challenge", async () => {
    const browser = new FormBrowser();
    const trip = await ask();
    const back = await browser.press(await toCards(browser, trip), "Authorize", {}, atMerchant);
    const other = { ...trip, checks: { ...trip.checks, pkceCodeVerifier: oidc.randomPKCECodeVerifier() } };
    await expect(redeem(other, back)).rejects.toMatchObject({ error: "invalid_grant" });
    const bare = await ask({ code_challenge: "", code_challenge_method: "" });
    expect((await browser.open(bare.url, {}, atMerchant)).url).toContain("error=invalid_request");
    const plain = await ask({ code_challenge_method: "plain" });
    expect((await browser.open(plain.url, {}, atMerchant)).url).toContain("error=invalid_request");
  });
});

describe("a code", () => {
  it("works once; its second use fails and ends what the first gave, the bank's card token included", async () => {
    const { trip, back, tokens } = await pay();
    expect((await oidc.tokenIntrospection(trip.config, tokens.access_token)).active).toBe(true);
    await expect(redeem(trip, back)).rejects.toMatchObject({ error: "invalid_grant" });
    expect((await oidc.tokenIntrospection(trip.config, tokens.access_token)).active).toBe(false);
    await revokeCardTokens(world.deps);
    expect(world.credential.revoked).toContain(`id-of-${decodeJwt(tokens.access_token)["card_token"]}`);
  });

  it("exchanged ten times at once gives one token", async () => {
    const browser = new FormBrowser();
    const trip = await ask();
    const back = await browser.press(await toCards(browser, trip), "Authorize", {}, atMerchant);
    const results = await Promise.allSettled(Array.from({ length: 10 }, () => redeem(trip, back)));
    expect(results.filter((result) => result.status === "fulfilled")).toHaveLength(1);
    for (const result of results)
      if (result.status === "rejected") expect(result.reason).toMatchObject({ error: "invalid_grant" });
  });

  it("is of no use to another merchant", async () => {
    const browser = new FormBrowser();
    const trip = await ask();
    const back = await browser.press(await toCards(browser, trip), "Authorize", {}, atMerchant);
    const other = { ...trip, config: await merchant(clientSecret, "other-shop") };
    await expect(redeem(other, back)).rejects.toMatchObject({ error: "invalid_grant" });
  });

  it("gives no card token that has under half a minute left", async () => {
    const browser = new FormBrowser();
    const trip = await ask();
    const cards = await toCards(browser, trip);
    world.credential.tokenLifeMs = 29_000;
    const back = await browser.press(cards, "Authorize", {}, atMerchant);
    world.credential.tokenLifeMs = 900_000;
    await expect(redeem(trip, back)).rejects.toMatchObject({ error: "invalid_grant" });
    expect(await endAbandonedPayments(world.deps)).toBe(1);
  });

  it("nobody fetched ends after ten minutes, and the bank is told", async () => {
    const browser = new FormBrowser();
    const trip = await ask();
    await browser.press(await toCards(browser, trip), "Authorize", {}, atMerchant);
    const unused = world.credential.requested.at(-1)?.cardToken;
    expect(await endAbandonedPayments(world.deps)).toBe(0);
    const clock = new ManualClock(new Date(world.clock.now().getTime() + 10 * 60_000 + 1));
    const later = { ...world.deps, clock };
    expect(await endAbandonedPayments(later)).toBeGreaterThan(0);
    world.credential.failWith = new ConnectionError("unknown_outcome", "provider_unavailable");
    expect(await revokeCardTokens(later)).toBe(0);
    world.credential.failWith = undefined;
    expect(await revokeCardTokens(later)).toBe(0);
    clock.advance(60 * 60_000);
    await revokeCardTokens(later);
    expect(world.credential.revoked).toContain(`id-of-${unused}`);
  });
});

describe("an access token", () => {
  it("is told active to its own client alone", async () => {
    const { trip, tokens } = await pay();
    expect(await oidc.tokenIntrospection(trip.config, tokens.access_token)).toMatchObject({
      active: true,
      client_id: "ssim-merchant",
    });
    expect(await oidc.tokenIntrospection(await merchant(clientSecret, "other-shop"), tokens.access_token)).toEqual({
      active: false,
    });
  });

  it("is revoked by its own client alone, and with it the bank's card token", async () => {
    const { trip, tokens } = await pay();
    await oidc.tokenRevocation(await merchant(clientSecret, "other-shop"), tokens.access_token);
    expect((await oidc.tokenIntrospection(trip.config, tokens.access_token)).active).toBe(true);
    await oidc.tokenRevocation(trip.config, tokens.access_token);
    expect((await oidc.tokenIntrospection(trip.config, tokens.access_token)).active).toBe(false);
    await revokeCardTokens(world.deps);
    expect(world.credential.revoked).toContain(`id-of-${decodeJwt(tokens.access_token)["card_token"]}`);
  });

  it("shows who pays at /me, until it is revoked or forged", async () => {
    const { trip, tokens } = await pay();
    const me = (token: string) => fetch(`${world.issuer}/me`, { headers: { authorization: `Bearer ${token}` } });
    expect(await (await me(tokens.access_token)).json()).toEqual({ sub: decodeJwt(tokens.access_token).sub });
    const [header, , signature] = tokens.access_token.split(".");
    const body = Buffer.from(JSON.stringify({ ...decodeJwt(tokens.access_token), sub: "someone" })).toString(
      "base64url",
    );
    expect((await me(`${header}.${body}.${signature}`)).status).toBe(401);
    const none = Buffer.from('{"alg":"none","typ":"at+jwt"}').toString("base64url");
    expect((await me(`${none}.${body}.`)).status).toBe(401);
    await oidc.tokenRevocation(trip.config, tokens.access_token);
    expect((await me(tokens.access_token)).status).toBe(401);
  });
});

describe("the payment page", () => {
  it("returns access_denied with the merchant's state when the customer cancels", async () => {
    for (const signedIn of [false, true]) {
      const browser = new FormBrowser();
      const trip = await ask();
      const page = signedIn ? await toCards(browser, trip) : await browser.open(trip.url);
      const back = new URL((await browser.press(page, "Cancel", {}, atMerchant)).url);
      expect(back.searchParams.get("error")).toBe("access_denied");
      expect(back.searchParams.get("state")).toBe(trip.checks.expectedState);
      expect(back.searchParams.get("iss")).toBe(world.issuer);
    }
  });

  it("says so when the bank gives no token, and lets another card try", async () => {
    const browser = new FormBrowser();
    const trip = await ask();
    const cards = await toCards(browser, trip);
    world.credential.failWith = new ConnectionError("unknown_outcome", "provider_unavailable");
    const failed = await browser.press(cards, "Authorize");
    expect(failed.status).toBe(502);
    expect(plainText(failed.text)).toContain("did not approve this right now");
    world.credential.failWith = undefined;
    const back = await browser.press(failed, "Authorize", {}, atMerchant);
    await expect(redeem(trip, back)).resolves.toBeDefined();
  });

  it("asks for consent again when the bank wants it, and comes back able to pay", async () => {
    const browser = new FormBrowser();
    const trip = await ask();
    const cards = await toCards(browser, trip);
    world.credential.failWith = new ConnectionError("needs_user", "reauthorization_required");
    for (const [id, connection] of world.credential.connections)
      world.credential.connections.set(id, { ...connection, state: "REVOKED" });
    const failed = await browser.press(cards, "Authorize");
    expect(plainText(failed.text)).toContain("Reconnect North Bank");
    expect(plainText(failed.text)).toContain("Visa •••• 1110");
    world.credential.failWith = undefined;
    const repaired = await browser.press(failed, "Reconnect North Bank");
    const back = await browser.press(repaired, "Authorize", {}, atMerchant);
    await expect(redeem(trip, back)).resolves.toBeDefined();
  });

  it("keeps two payments apart that are open in one browser, whichever is paid first", async () => {
    const browser = new FormBrowser();
    const [first, second] = [await ask(), await ask({ claims: claimsOf("99.50") })];
    const firstCards = await toCards(browser, first);
    const secondCards = await browser.open(second.url);
    const paidFirst = await redeem(first, await browser.press(firstCards, "Authorize", {}, atMerchant));
    const paidSecond = await redeem(second, await browser.press(secondCards, "Authorize", {}, atMerchant));
    expect(decodeJwt(paidFirst.access_token)["payment_amount"]).toBe("12.34");
    expect(decodeJwt(paidSecond.access_token)["payment_amount"]).toBe("99.50");
  });

  it("asks the bank once when Authorize is pressed twice", async () => {
    const browser = new FormBrowser();
    const trip = await ask();
    const cards = await toCards(browser, trip);
    const gate = Promise.withResolvers<void>();
    world.credential.hold = gate.promise;
    const before = world.credential.requested.length;
    const stop = (url: string) => url.includes("/auth/") || atMerchant(url);
    const presses = [browser.press(cards, "Authorize", {}, stop), browser.press(cards, "Authorize", {}, stop)];
    await new Promise((resolve) => setTimeout(resolve, 100));
    gate.resolve();
    const [one, two] = await Promise.all(presses);
    expect(world.credential.requested.length).toBe(before + 1);
    expect(one?.url).toBe(two?.url);
    const back = await browser.open(one?.url ?? "", {}, atMerchant);
    await expect(redeem(trip, back)).resolves.toBeDefined();
  });

  it("is not destroyed when somebody else signs in in the middle", async () => {
    const browser = new FormBrowser();
    const trip = await ask();
    const mine = await toCards(browser, trip);
    const other = await signUp(browser, await browser.press(mine, "Use another account"), newEmail());
    expect(other.url).toBe(mine.url.split("?")[0]);
    expect(plainText(other.text)).toContain("Add a bank to pay");
    const cards = await browser.press(other, "Add Maple Credit Union");
    const back = await browser.press(cards, "Authorize", {}, atMerchant);
    const tokens = await redeem(trip, back);
    expect(decodeJwt(tokens.access_token)["wallet_card_token"]).toMatch(/^wsim_maple-bank_/);
  });

  it("pays as the second person of a browser right after the first, without a trace of the first", async () => {
    const first = await pay();
    const again = await ask();
    const page = await first.browser.open(again.url);
    const fresh = await signUp(first.browser, await first.browser.press(page, "Use another account"), newEmail());
    const cards = await first.browser.press(fresh, "Add North Bank");
    const tokens = await redeem(again, await first.browser.press(cards, "Authorize", {}, atMerchant));
    expect(decodeJwt(tokens.access_token).sub).not.toBe(decodeJwt(first.tokens.access_token).sub);
  });

  it("goes on after a restart between any two steps", async () => {
    const browser = new FormBrowser();
    const trip = await ask({}, { pushed: true });
    await world.restart();
    const start = await browser.open(trip.url);
    await world.restart();
    const email = newEmail();
    const form = await browser.open(`${start.url}?with=sign-up`);
    const sent = await browser.press(form, "Sign up", { Email: email, Name: "Ada" });
    await world.restart();
    const cards = await browser.press(
      await browser.press(sent, "Sign in", { Code: await world.codeFor(email) }),
      "Add North Bank",
    );
    await world.restart();
    const back = await browser.press(cards, "Authorize", {}, atMerchant);
    await world.restart();
    await expect(redeem(trip, back)).resolves.toBeDefined();
  });

  it("signs nobody in for an address alone, nor for a wrong code", async () => {
    const browser = new FormBrowser();
    const trip = await ask();
    await toCards(browser, trip);
    const email = `ada${people}@example.com`;
    const stranger = new FormBrowser();
    const page = await stranger.open((await ask()).url);
    const sent = await stranger.press(page, "Continue", { Email: email });
    expect(plainText(sent.text)).toContain("Check your mail");
    expect(stranger.cookie("wsim.sid")).toBeUndefined();
    const right = await world.codeFor(email);
    const wrong = await stranger.press(sent, "Sign in", { Code: right === "123456" ? "654321" : "123456" });
    expect(wrong.status).toBe(400);
    expect(plainText(wrong.text)).toContain("That code is not right");
    expect(stranger.cookie("wsim.sid")).toBeUndefined();
  });

  it("never shows another person's cards, and takes none of them", async () => {
    const owner = new FormBrowser();
    const ownTrip = await ask();
    const own = await toCards(owner, ownTrip);
    const cardId = /name="walletCardId" value="([^"]+)"/.exec(own.text)?.[1] ?? "";
    const browser = new FormBrowser();
    const cards = await toCards(browser, await ask());
    const base = new URL(cards.url).pathname;
    const refused = await browser.submit(cards, `${base}/select-card`, { walletCardId: cardId });
    expect(refused.status).toBe(502);
    expect(plainText(refused.text)).toContain("Please choose one of your cards");
  });

  it("refuses forms of another browser and pages that are over", async () => {
    const browser = new FormBrowser();
    const trip = await ask();
    const cards = await toCards(browser, trip);
    const stranger = new FormBrowser();
    expect((await stranger.press(cards, "Authorize")).status).toBe(403);
    await browser.press(cards, "Cancel", {}, atMerchant);
    const over = await browser.press(cards, "Authorize");
    expect(over.status).toBe(400);
    expect(plainText(over.text)).toContain("no longer open");
  });

  it("sends no form-action and lets nothing load, for its forms end at banks and merchants", async () => {
    const page = await new FormBrowser().open((await ask()).url);
    const policy = page.headers.get("content-security-policy") ?? "";
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toContain("form-action");
    expect(page.text).not.toContain("<script");
  });
});

describe("a request", () => {
  it("of an unknown client or to an unregistered address is never redirected", async () => {
    const trip = await ask();
    for (const [name, value] of [
      ["client_id", "nobody"],
      ["redirect_uri", "https://evil.example/"],
    ] as const) {
      const url = new URL(trip.url);
      url.searchParams.set(name, value);
      const page = await new FormBrowser().open(url.href);
      expect(page.url).toBe(url.href);
      expect(page.status).toBe(400);
      expect(plainText(page.text)).toContain("This payment cannot start");
    }
  });

  it.each([
    ["another merchant", { merchantId: "other-shop" }],
    ["zero", { amount: "0" }],
    ["a negative amount", { amount: "-5.00" }],
    ["three decimals", { amount: "1.005" }],
    ["no number", { amount: "NaN" }],
    ["an absurd amount", { amount: "1000000000000000" }],
    ["an unknown currency", { currency: "ZZQ" }],
  ])("with a payment for %s is invalid_request", async (_label, change) => {
    const trip = await ask({ claims: JSON.stringify({ payment: { ...payment, ...change } }) });
    const back = await new FormBrowser().open(trip.url, {}, atMerchant);
    expect(new URL(back.url).searchParams.get("error")).toBe("invalid_request");
    await expect(
      ask({ claims: JSON.stringify({ payment: { ...payment, ...change } }) }, { pushed: true }),
    ).rejects.toMatchObject({ error: "invalid_request" });
  });

  it("for payment:authorize without a payment is invalid_request, and a foreign resource is invalid_target", async () => {
    const bare = await new FormBrowser().open((await ask({ claims: "" })).url, {}, atMerchant);
    expect(new URL(bare.url).searchParams.get("error")).toBe("invalid_request");
    const foreign = await new FormBrowser().open((await ask({ resource: "urn:elsewhere" })).url, {}, atMerchant);
    expect(new URL(foreign.url).searchParams.get("error")).toBe("invalid_target");
  });

  it("with prompt=none is told that a person is needed", async () => {
    const back = await new FormBrowser().open((await ask({ prompt: "none" })).url, {}, atMerchant);
    expect(new URL(back.url).searchParams.get("error")).toMatch(/_required$/);
  });

  it("for a plain sign-in asks for consent and names the person, with no payment token", async () => {
    const browser = new FormBrowser();
    const trip = await ask({ claims: "", resource: "", scope: "openid profile email" });
    const email = newEmail();
    const page = await signUp(browser, await browser.open(trip.url), email);
    expect(plainText(page.text)).toContain("Continue to Birch & Pine?");
    const back = await browser.press(page, "Allow", {}, atMerchant);
    const tokens = await oidc.authorizationCodeGrant(trip.config, new URL(back.url), trip.checks);
    const me = await oidc.fetchUserInfo(trip.config, tokens.access_token, decodeJwt(tokens.id_token ?? "").sub ?? "");
    expect(me).toMatchObject({ email, email_verified: true, name: "Ada Example" });
  });
});

describe("signing out at the issuer", () => {
  /** Somebody who has paid is asked, and answers with `choice`. */
  async function answer(choice: Record<string, string>): Promise<Fetched> {
    const { browser } = await pay();
    const question = await browser.open(`${world.issuer}/session/end?client_id=ssim-merchant`);
    expect(plainText(question.text)).toContain("Sign out of your wallet?");
    const xsrf = /name="xsrf" value="([^"]+)"/.exec(question.text)?.[1] ?? "";
    const body = new URLSearchParams({ xsrf, ...choice });
    await browser.open(`${world.issuer}/session/end/confirm`, { method: "POST", body });
    return browser.open(`${world.issuer}/wallet`);
  }

  it("signs the browser out of the wallet, and leaves it signed in when that is the answer", async () => {
    expect((await answer({ logout: "yes" })).url).toBe(`${world.issuer}/login`);
    expect((await answer({})).url).toBe(`${world.issuer}/wallet`);
  });
});

describe("the issuer", () => {
  it("must be https outside local mode", () => {
    expect(() => assertIssuerSafe("http://wallet.example.com", false)).toThrow(RangeError);
    expect(() => assertIssuerSafe("https://wallet.example.com", false)).not.toThrow();
  });

  it("tells its health", async () => {
    expect(await (await fetch(`${world.issuer}/health`)).json()).toMatchObject({
      status: "healthy",
      service: "wallet",
    });
    expect(await (await fetch(`${world.issuer}/health/ready`)).json()).toEqual({ ready: true });
  });

  it("tells every address below itself, whatever host a request claims, and publishes no private key", async () => {
    const answer = await fetch(`${world.issuer}/.well-known/openid-configuration`, {
      headers: { "x-forwarded-host": "evil.example", "x-forwarded-proto": "https" },
    });
    const metadata = (await answer.json()) as Record<string, unknown>;
    for (const [name, value] of Object.entries(metadata)) {
      if (name.endsWith("_endpoint") || name === "jwks_uri")
        expect(String(value).startsWith(`${world.issuer}/`)).toBe(true);
    }
    expect(metadata).toMatchObject({
      issuer: world.issuer,
      token_endpoint: `${world.issuer}/token`,
      code_challenge_methods_supported: ["S256"],
      authorization_details_types_supported: ["payment"],
    });
    const keys = (await (await fetch(`${world.issuer}/jwks`)).json()) as { keys: Record<string, unknown>[] };
    for (const key of keys.keys)
      for (const secret of ["d", "p", "q", "dp", "dq", "qi"]) expect(key).not.toHaveProperty(secret);
  });
});
