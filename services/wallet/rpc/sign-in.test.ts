import { afterAll, beforeAll, expect, it } from "vitest";
import { startEmailCode } from "../flows/start-email-code.ts";
import { failureOf, newEmail, signInByCode, signUp, startTestWallet, type TestWallet } from "../testing/test-wallet.ts";
import { revocationCacheMs } from "./authenticators.ts";

let wallet: TestWallet;
let api: TestWallet["api"];

beforeAll(async () => {
  wallet = await startTestWallet();
  api = wallet.api;
});
afterAll(() => wallet.stop());

const unauthorized = { status: 401, error: "unauthorized" };
const tooMany = { status: 429, error: "rate_limit_exceeded" };
const wrongCode = (code: string) => (code === "000000" ? "000001" : "000000");

it("signs a person up by phone and shows them unverified until a code is used", async () => {
  const phone = await signUp(api);
  const before = await api.getWalletSummary({}, phone.auth);
  expect(before.user).toMatchObject({ email: phone.email, isVerified: false, verificationLevel: "none" });
  await signInByCode(api, phone.email, phone.deviceId);
  const after = await api.getWalletSummary({}, phone.auth);
  expect(after.user).toMatchObject({ isVerified: true, verificationLevel: "basic" });
});

it("refuses a second account for one address in any spelling, and a phone somebody else is signed in on", async () => {
  const phone = await signUp(api);
  const other = { name: "Eve", deviceId: "eve-phone-1", deviceName: "x", platform: "android" };
  const again = await failureOf(api.signUp({ ...other, email: phone.email.toUpperCase() }));
  expect(again).toEqual({ status: 409, error: "conflict" });
  const taken = await failureOf(api.signUp({ ...other, email: "eve@example.com", deviceId: phone.deviceId }));
  expect(taken).toEqual({ status: 409, error: "device_conflict" });
});

it("makes one account when the same sign-up arrives twice together", async () => {
  const request = { email: newEmail(), name: "Twin", deviceName: "x", platform: "ios" };
  const both = await Promise.allSettled([
    api.signUp({ ...request, deviceId: `one-of-${request.email}` }),
    api.signUp({ ...request, deviceId: `other-of-${request.email}` }),
  ]);
  expect(both.map((one) => one.status).sort()).toEqual(["fulfilled", "rejected"]);
});

it("refuses addresses, platforms and names that cannot be", async () => {
  const good = { email: "a@example.com", name: "A", deviceId: "d1", deviceName: "x", platform: "ios" };
  const bad = [{ email: "no-address" }, { email: "a@b@c.d" }, { platform: "windows" }, { name: "x".repeat(101) }];
  for (const change of bad) {
    expect(await failureOf(api.signUp({ ...good, ...change }))).toEqual({ status: 400, error: "bad_request" });
  }
});

it("answers alike for an address without an account, and its code leads nowhere", async () => {
  const started = await api.startSignIn({ email: "nobody@example.com", deviceId: "d9" });
  const { email } = await signUp(api);
  const known = await api.startSignIn({ email, deviceId: "d9" });
  expect(Object.keys(started).sort()).toEqual(Object.keys(known).sort());
  expect(started.message).toBe(known.message);
  const code = started.devCode ?? "";
  const attempt = api.verifySignIn({ challenge: started.challenge, code, deviceId: "d9" });
  expect(await failureOf(attempt)).toEqual(unauthorized);
});

it("lets a code work once, also when it arrives twice together", async () => {
  const { email, deviceId } = await signUp(api);
  const { challenge, devCode: code = "" } = await api.startSignIn({ email, deviceId });
  const results = await Promise.allSettled([1, 2, 3].map(() => api.verifySignIn({ challenge, code, deviceId })));
  expect(results.filter((one) => one.status === "fulfilled")).toHaveLength(1);
  expect(await failureOf(api.verifySignIn({ challenge, code, deviceId }))).toEqual(unauthorized);
});

it("takes five wrong codes, then 429 even for the right one", async () => {
  const { email, deviceId } = await signUp(api);
  const { challenge, devCode = "" } = await api.startSignIn({ email, deviceId });
  for (let wrong = 1; wrong <= 5; wrong += 1) {
    const attempt = api.verifySignIn({ challenge, code: wrongCode(devCode), deviceId });
    expect(await failureOf(attempt)).toEqual(unauthorized);
  }
  expect(await failureOf(api.verifySignIn({ challenge, code: devCode, deviceId }))).toEqual(tooMany);
});

it("counts parallel guesses one by one", async () => {
  const { email, deviceId } = await signUp(api);
  const { challenge, devCode = "" } = await api.startSignIn({ email, deviceId });
  const guesses = Array.from({ length: 12 }, () =>
    failureOf(api.verifySignIn({ challenge, code: wrongCode(devCode), deviceId })),
  );
  const statuses = (await Promise.all(guesses)).map((one) => one.status);
  expect(statuses.filter((status) => status === 401)).toHaveLength(5);
  expect(statuses.filter((status) => status === 429)).toHaveLength(7);
});

it("finds the open challenge by address and phone, and refuses the code on another phone", async () => {
  const { email, deviceId } = await signUp(api);
  const { challenge, devCode: code = "" } = await api.startSignIn({ email, deviceId });
  expect(await failureOf(api.verifySignIn({ email, code, deviceId: "other-phone" }))).toEqual(unauthorized);
  expect(await failureOf(api.verifySignIn({ challenge, code, deviceId: "other-phone" }))).toEqual(unauthorized);
  const { user } = await api.verifySignIn({ email, code, deviceId });
  expect(user?.email).toBe(email);
});

it("sends one client ten codes for an address, known or not, and leaves the address to its owner", async () => {
  const { email } = await signUp(api);
  for (const target of [email, newEmail()]) {
    const ask = (clientAddress: string) =>
      startEmailCode(wallet.deps, { email: target, purpose: "web", clientAddress });
    for (let code = 1; code <= 10; code += 1) await ask("192.0.2.1");
    await expect(ask("192.0.2.1")).rejects.toMatchObject({ reason: "RATE_LIMITED" });
    await ask("192.0.2.2");
  }
});

it("tries twenty passwords for an address, then none", async () => {
  const email = newEmail();
  const given = { email: email.toUpperCase(), password: "wrong password", deviceId: "d1" };
  // Nineteen earlier tries, without the time their hashes would take.
  const earlier = { class: "password", key: email, limit: 20, windowSeconds: 900 };
  for (let used = 1; used <= 19; used += 1) await wallet.deps.limiter.take(earlier);
  expect(await failureOf(api.signInWithPassword(given))).toEqual({ status: 401, error: "invalid_credentials" });
  expect(await failureOf(api.signInWithPassword(given))).toEqual(tooMany);
});

it("ends a code after five minutes", async () => {
  const { email, deviceId } = await signUp(api);
  const { challenge, devCode: code = "" } = await api.startSignIn({ email, deviceId });
  wallet.clock.advance(5 * 60_000);
  expect(await failureOf(api.verifySignIn({ challenge, code, deviceId }))).toEqual(unauthorized);
});

it("finishes a sign-in on another replica than it began", async () => {
  const { email, deviceId } = await signUp(api);
  const { challenge, devCode: code = "" } = await api.startSignIn({ email, deviceId });
  const other = await wallet.replica();
  const { tokens } = await other.api.verifySignIn({ challenge, code, deviceId });
  const auth = { headers: { authorization: `Bearer ${tokens?.accessToken}` } };
  expect((await api.getWalletSummary({}, auth)).user?.email).toBe(email);
});

it("revokes what others did with an unproved address at the first sign-in with a code", async () => {
  const squatter = await signUp(api);
  const owner = await signInByCode(api, squatter.email, `own-phone-of-${squatter.email}`);
  // Past the time for which a bad refresh makes this address suspect, too.
  wallet.clock.advance(revocationCacheMs + 60_000);
  expect(await failureOf(api.getWalletSummary({}, squatter.auth))).toEqual(unauthorized);
  expect(await failureOf(api.refreshTokens({ refreshToken: squatter.refreshToken }))).toEqual(unauthorized);
  expect((await api.getWalletSummary({}, owner.auth)).user?.isVerified).toBe(true);
});

it("keeps the phone that made the account when its owner proves the address there", async () => {
  const phone = await signUp(api);
  await signInByCode(api, phone.email, phone.deviceId);
  wallet.clock.advance(revocationCacheMs);
  expect((await api.getWalletSummary({}, phone.auth)).user?.email).toBe(phone.email);
});

it("ends access and refresh tokens at sign-out, on every replica within the stated time", async () => {
  const phone = await signUp(api);
  const other = await wallet.replica();
  await other.api.getWalletSummary({}, phone.auth);
  await api.signOut({}, phone.auth);
  expect(await failureOf(api.getWalletSummary({}, phone.auth))).toEqual(unauthorized);
  wallet.clock.advance(revocationCacheMs);
  expect(await failureOf(other.api.getWalletSummary({}, phone.auth))).toEqual(unauthorized);
  // Past the time for which an earlier test's bad refresh makes this address suspect.
  wallet.clock.advance(60_000);
  expect(await failureOf(api.refreshTokens({ refreshToken: phone.refreshToken }))).toEqual(unauthorized);
});

it("signs out this phone alone unless all are asked for", async () => {
  const first = await signUp(api);
  const second = await signInByCode(api, first.email, first.deviceId);
  const elsewhere = await signInByCode(api, first.email, "second-phone-of-mine");
  await api.signOut({}, second.auth);
  expect((await api.getWalletSummary({}, elsewhere.auth)).user?.email).toBe(first.email);
  const back = await signInByCode(api, first.email, first.deviceId);
  await api.signOut({ revokeAll: true }, back.auth);
  expect(await failureOf(api.getWalletSummary({}, elsewhere.auth))).toEqual(unauthorized);
});

it("refuses access tokens that are forged, of another kind or none", async () => {
  const phone = await signUp(api);
  const [header, body] = phone.accessToken.split(".");
  const none = `${Buffer.from('{"alg":"none"}').toString("base64url")}.${body}.`;
  const other = await signUp(api);
  const swapped = `${header}.${other.accessToken.split(".")[1]}.${phone.accessToken.split(".")[2]}`;
  for (const token of [none, swapped, phone.refreshToken, "x.y.z"]) {
    const auth = { headers: { authorization: `Bearer ${token}` } };
    expect(await failureOf(api.getWalletSummary({}, auth))).toEqual(unauthorized);
  }
});

it("ends an access token after its hour", async () => {
  const phone = await signUp(api);
  wallet.clock.advance(3_600_000);
  expect(await failureOf(api.getWalletSummary({}, phone.auth))).toEqual(unauthorized);
});
