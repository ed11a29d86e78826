import { afterAll, beforeAll, expect, it } from "vitest";
import { requestCardToken } from "../flows/request-card-token.ts";
import {
  enrol,
  failureOf,
  newEmail,
  type Phone,
  signUp,
  startTestWallet,
  type TestWallet,
} from "../testing/test-wallet.ts";

let wallet: TestWallet;
let api: TestWallet["api"];

beforeAll(async () => {
  wallet = await startTestWallet();
  api = wallet.api;
});
afterAll(() => wallet.stop());

const notFound = { status: 404, error: "not_found" };

async function enrolled(): Promise<Phone> {
  const phone = await signUp(api);
  await enrol(wallet, phone, "north-bank");
  wallet.clock.advance(1);
  await enrol(wallet, phone, "maple-bank");
  return phone;
}

const cardsOf = async (phone: Phone) => (await api.listCards({}, phone.auth)).cards;

it("keeps exactly one default, also when several are chosen together", async () => {
  const phone = await enrolled();
  const cards = await cardsOf(phone);
  await Promise.all(cards.map(({ id: cardId }) => api.setDefaultCard({ cardId }, phone.auth)));
  expect((await cardsOf(phone)).filter((card) => card.isDefault)).toHaveLength(1);
});

it("makes the newest card left the default when the default goes, and answers a repeat alike", async () => {
  const phone = await signUp(api);
  await enrol(wallet, phone, "north-bank");
  wallet.clock.advance(1_000);
  await enrol(wallet, phone, "maple-bank");
  const [first, ...others] = await cardsOf(phone);
  expect(first).toMatchObject({ isDefault: true, bsimId: "north-bank" });
  const cardId = first?.id ?? "";
  expect(await api.removeCard({ cardId }, phone.auth)).toMatchObject({ success: true, cardId });
  const left = await cardsOf(phone);
  expect(left).toHaveLength(others.length);
  expect(left.filter((card) => card.isDefault).map((card) => card.bsimId)).toEqual(["maple-bank"]);
  expect(await api.removeCard({ cardId }, phone.auth)).toMatchObject({ success: true });
  expect(await failureOf(api.setDefaultCard({ cardId }, phone.auth))).toEqual(notFound);
});

it("answers for another user's card as for none", async () => {
  const owner = await enrolled();
  const [card] = await cardsOf(owner);
  const stranger = await signUp(api);
  for (const cardId of [card?.id ?? "", "0190a000-0000-7000-8000-000000000000", "nonsense"]) {
    expect(await failureOf(api.setDefaultCard({ cardId }, stranger.auth))).toEqual(notFound);
    expect(await failureOf(api.removeCard({ cardId }, stranger.auth))).toEqual(notFound);
  }
  expect(await cardsOf(owner)).toHaveLength(4);
});

it("asks the card's own bank for a token, by the bank's card reference and for this payment", async () => {
  const phone = await enrolled();
  const card = (await cardsOf(phone)).find((one) => one.bsimId === "maple-bank" && one.lastFour === "5454");
  const payment = { merchantId: "ssim-merchant", merchantName: "Shop", amountMinor: 1234n, currency: "CAD" };
  const issued = await requestCardToken(
    wallet.deps,
    { userId: phone.userId, cardId: card?.id ?? "", ...payment },
    { timeoutMs: 5_000 },
  );
  expect(issued.card.walletCardToken).toBe(card?.walletCardToken);
  expect(wallet.credential.cardTokenRequests.at(-1)).toEqual({
    cardRef: "maple-bank-mc",
    merchantId: "ssim-merchant",
    minorUnits: 1234n,
    currency: "CAD",
  });
});

it("asks for a new consent when the bank wants one before it gives a token", async () => {
  const phone = await enrolled();
  const north = wallet.credential.banks.get("north-bank");
  if (north === undefined) throw new Error("no bank");
  const card = (await cardsOf(phone)).find((one) => one.bsimId === "north-bank");
  const request = {
    userId: phone.userId,
    cardId: card?.id ?? "",
    merchantId: "m",
    merchantName: "",
    amountMinor: 1n,
    currency: "CAD",
  };
  north.failure = { kind: "PRECONDITION", word: "reauthorization_required" };
  const refused = requestCardToken(wallet.deps, request, { timeoutMs: 5_000 });
  await expect(refused).rejects.toMatchObject({ reason: "REENROLMENT_REQUIRED" });
  north.failure = { kind: "OUTAGE", word: "provider_unavailable" };
  const failed = requestCardToken(wallet.deps, request, { timeoutMs: 5_000 });
  await expect(failed).rejects.toMatchObject({ reason: "CARD_TOKEN_ERROR" });
  north.failure = undefined;
});

it("shows cards and banks on the phone's main screen by display name", async () => {
  const phone = await enrolled();
  const summary = await api.getWalletSummary({}, phone.auth);
  expect(summary.cards).toHaveLength(4);
  expect(new Set(summary.cards.map((card) => card.bankName))).toEqual(new Set(["North Bank", "Maple Credit Union"]));
  expect(summary.enrolledBanks.map((bank) => [bank.name, bank.cardCount])).toEqual([
    ["North Bank", 2],
    ["Maple Credit Union", 2],
  ]);
  expect(summary.enrolledBanks.every((bank) => bank.credentialExpiry !== undefined)).toBe(true);
});

it("stores push tokens of the calling phone alone and forgets them by either path", async () => {
  const phone = await signUp(api);
  const other = await signUp(api);
  expect(await api.setPushToken({ pushToken: "ExponentPushToken[a]" }, phone.auth)).toMatchObject({ success: true });
  const foreign = api.setPushToken({ pushToken: "x", deviceId: other.deviceId }, phone.auth);
  expect(await failureOf(foreign)).toEqual({ status: 403, error: "forbidden" });
  const theirs = api.deletePushToken({ deviceId: other.deviceId }, phone.auth);
  expect(await failureOf(theirs)).toEqual({ status: 403, error: "forbidden" });
  expect(await failureOf(api.deletePushToken({ deviceId: "unknown" }, phone.auth))).toEqual(notFound);
  const stored = async () =>
    (
      await wallet.db.query
        .selectFrom("user_devices")
        .select("push_token")
        .where("device_id", "=", phone.deviceId)
        .executeTakeFirstOrThrow()
    ).push_token;
  expect(await stored()).toBe("ExponentPushToken[a]");
  await api.deletePushToken({}, phone.auth);
  expect(await stored()).toBeNull();
  await api.setPushToken({ pushToken: "b", tokenType: "fcm" }, phone.auth);
  await api.deletePushToken({ deviceId: phone.deviceId }, phone.auth);
  expect(await stored()).toBeNull();
});

it("moves a push token to whoever registers it last: one installation has one user", async () => {
  const first = await signUp(api);
  const second = await signUp(api);
  await api.setPushToken({ pushToken: "shared", tokenType: "apns" }, first.auth);
  await api.setPushToken({ pushToken: "shared", tokenType: "apns" }, second.auth);
  const rows = await wallet.db.query
    .selectFrom("user_devices")
    .select("user_id")
    .where("push_token", "=", "shared")
    .execute();
  expect(rows).toEqual([{ user_id: second.userId }]);
});

it("registers a phone, gives its push token to the first who signs in there, and to nobody by a later registration", async () => {
  const email = newEmail();
  const device = { deviceId: `phone-of-${email}`, platform: "ios", deviceName: "Phone" };
  const first = await api.registerDevice({ ...device, pushToken: `first-of-${email}` });
  const again = await api.registerDevice({ ...device, pushToken: `second-of-${email}` });
  expect(first.deviceCredential).not.toBe(again.deviceCredential);
  const { user } = await api.signUp({ ...device, email, name: "R" });
  const stored = async () =>
    (
      await wallet.db.query
        .selectFrom("user_devices")
        .select("push_token")
        .where("user_id", "=", user?.id ?? "")
        .executeTakeFirstOrThrow()
    ).push_token;
  expect(await stored()).toBe(`second-of-${email}`);
  await api.registerDevice({ ...device, pushToken: "attacker" });
  expect(await stored()).toBe(`second-of-${email}`);
  const { rows } = await wallet.db.pool.query("select push_token, credential_hash from devices where device_id = $1", [
    device.deviceId,
  ]);
  expect(rows[0].push_token).toBeNull();
  expect(rows[0].credential_hash.toString("utf8")).not.toContain(again.deviceCredential);
});
