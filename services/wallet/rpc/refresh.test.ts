import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { uuidv7 } from "../../platform/ids/uuidv7.ts";
import { refreshMobileTokens } from "../flows/refresh-mobile-tokens.ts";
import { rotateRefreshToken } from "../storage/refresh-tokens-store.ts";
import { failureOf, signInByCode, signUp, startTestWallet, type TestWallet } from "../testing/test-wallet.ts";
import { revocationCacheMs } from "./authenticators.ts";

let wallet: TestWallet;
let api: TestWallet["api"];

beforeAll(async () => {
  wallet = await startTestWallet();
  api = wallet.api;
});
afterAll(() => wallet.stop());
// All tests come from one address, which a bad refresh makes suspect for ten seconds.
beforeEach(() => wallet.clock.advance(11_000));

const unauthorized = { status: 401, error: "unauthorized" };
const tooMany = { status: 429, error: "rate_limit_exceeded" };

let hosts = 0;
/** An address that no test has been refused from. */
const newAddress = () => {
  hosts += 1;
  return `192.0.2.${hosts}`;
};

const authOf = (accessToken: string) => ({ headers: { authorization: `Bearer ${accessToken}` } });

it("exchanges a refresh token for new ones that work", async () => {
  const phone = await signUp(api);
  const tokens = await api.refreshTokens({ refreshToken: phone.refreshToken });
  expect(tokens.expiresIn).toBe(3600);
  expect(tokens.refreshToken).not.toBe(phone.refreshToken);
  expect((await api.getWalletSummary({}, authOf(tokens.accessToken))).user?.id).toBe(phone.userId);
  await api.refreshTokens({ refreshToken: tokens.refreshToken });
});

it("ends every sign-in of the phone when a used refresh token comes back", async () => {
  const phone = await signUp(api);
  const second = await signInByCode(api, phone.email, phone.deviceId);
  const elsewhere = await signInByCode(api, phone.email, `other-phone-of-${phone.email}`);
  const tokens = await api.refreshTokens({ refreshToken: phone.refreshToken });
  wallet.clock.advance(1);
  expect(await failureOf(api.refreshTokens({ refreshToken: phone.refreshToken }))).toEqual(unauthorized);
  wallet.clock.advance(revocationCacheMs);
  expect(await failureOf(api.getWalletSummary({}, authOf(tokens.accessToken)))).toEqual(unauthorized);
  expect(await failureOf(api.getWalletSummary({}, second.auth))).toEqual(unauthorized);
  expect((await api.getWalletSummary({}, elsewhere.auth)).user?.id).toBe(phone.userId);
  wallet.clock.advance(11 * 60_000);
  expect(await failureOf(api.refreshTokens({ refreshToken: tokens.refreshToken }))).toEqual(unauthorized);
});

it("ends a refresh storm at the second bad refresh, by token", async () => {
  const phone = await signUp(api);
  await api.signOut({}, phone.auth);
  const { refreshToken } = phone;
  const refresh = (clientAddress: string) =>
    refreshMobileTokens(wallet.deps, { refreshToken, clientAddress }).catch((error: Error) => error.message);
  expect(await refresh(newAddress())).toBe("UNAUTHENTICATED");
  expect(await refresh(newAddress())).toBe("RATE_LIMITED");
});

it("ends a refresh storm at the second bad refresh, by phone and by address", async () => {
  const first = await signUp(api);
  const second = await signInByCode(api, first.email, first.deviceId);
  await api.signOut({}, second.auth);
  const refresh = (refreshToken: string, clientAddress: string) =>
    refreshMobileTokens(wallet.deps, { refreshToken, clientAddress }).catch((error: Error) => error.message);
  const known = newAddress();
  expect(await refresh(first.refreshToken, newAddress())).toBe("UNAUTHENTICATED");
  expect(await refresh(second.refreshToken, known)).toBe("RATE_LIMITED");
  expect(await refresh(`garbage ${uuidv7()}`, known)).toBe("RATE_LIMITED");
  expect(await refresh(`garbage ${uuidv7()}`, newAddress())).toBe("UNAUTHENTICATED");
});

it("counts bad refreshes over replicas, and lets a good one through all the same", async () => {
  const phone = await signUp(api);
  const other = await wallet.replica();
  const bad = { refreshToken: `bad ${uuidv7()}` };
  expect(await failureOf(api.refreshTokens(bad))).toEqual(unauthorized);
  expect(await failureOf(other.api.refreshTokens(bad))).toEqual(tooMany);
  await other.api.refreshTokens({ refreshToken: phone.refreshToken });
});

it("gives overlapping refreshes one successor", async () => {
  const phone = await signUp(api);
  const request = { refreshToken: phone.refreshToken, clientAddress: newAddress() };
  // No answer is handed over, so that all surely overlap.
  const gone = AbortSignal.abort();
  const sets = await Promise.all(
    Array.from({ length: 8 }, () => refreshMobileTokens(wallet.deps, { ...request, signal: gone })),
  );
  const jtis = await Promise.all(
    sets.map(async (set) => (await wallet.deps.tokens.verifyRefresh(set.refreshToken))?.jti),
  );
  expect(new Set(jtis).size).toBe(1);
  await api.refreshTokens({ refreshToken: sets[0]?.refreshToken ?? "" });
});

it("lets a refresh token be used up by exactly one of many", async () => {
  const phone = await signUp(api);
  const claims = await wallet.deps.tokens.verifyRefresh(phone.refreshToken);
  const now = wallet.clock.now();
  const use = () => ({ userId: phone.userId, jti: claims?.jti ?? "", replacedBy: uuidv7(), now });
  const uses = await Promise.all(Array.from({ length: 8 }, () => rotateRefreshToken(wallet.db.query, use())));
  expect(uses.filter((won) => won)).toHaveLength(1);
});

it("gives the successor again when the first answer never left, once the client asks again within a minute", async () => {
  const phone = await signUp(api);
  const request = { refreshToken: phone.refreshToken, clientAddress: newAddress() };
  await refreshMobileTokens(wallet.deps, { ...request, signal: AbortSignal.abort() });
  wallet.clock.advance(30_000);
  const tokens = await api.refreshTokens({ refreshToken: phone.refreshToken });
  await api.refreshTokens({ refreshToken: tokens.refreshToken });
  wallet.clock.advance(1);
  expect(await failureOf(api.refreshTokens({ refreshToken: phone.refreshToken }))).toEqual(unauthorized);
});

it("takes a repeat for misuse when the first answer is too long ago", async () => {
  const phone = await signUp(api);
  const request = { refreshToken: phone.refreshToken, clientAddress: newAddress() };
  await refreshMobileTokens(wallet.deps, { ...request, signal: AbortSignal.abort() });
  wallet.clock.advance(61_000);
  expect(await failureOf(api.refreshTokens({ refreshToken: phone.refreshToken }))).toEqual(unauthorized);
});

it("ends a refresh token after thirty days", async () => {
  const phone = await signUp(api);
  wallet.clock.advance(30 * 24 * 3_600_000);
  expect(await failureOf(api.refreshTokens({ refreshToken: phone.refreshToken }))).toEqual(unauthorized);
});

it("publishes the public half of its keys alone", async () => {
  const { keys } = (await wallet.http.inject("/internal/mobile-jwks")).json();
  expect(keys).toHaveLength(1);
  expect(keys[0]).toMatchObject({ kty: "EC", crv: "P-256", alg: "ES256", use: "sig" });
  expect(keys[0]).not.toHaveProperty("d");
});
