import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { finishEnrolmentRemoval } from "../flows/remove-enrolment.ts";
import { repairEnrolments, stuckAfterMs } from "../flows/repair-enrolments.ts";
import type { BankBehaviour } from "../testing/credential-stand-in.ts";
import {
  appUrl,
  card,
  comeBack,
  enrol,
  failureOf,
  signInByCode,
  signUp,
  startTestWallet,
  type TestWallet,
} from "../testing/test-wallet.ts";

let wallet: TestWallet;
let api: TestWallet["api"];
let north: BankBehaviour;

beforeAll(async () => {
  wallet = await startTestWallet();
  api = wallet.api;
  north = bankOf("north-bank");
});
afterAll(() => wallet.stop());
beforeEach(() => {
  Object.assign(north, { delayMs: 0, failure: undefined, grantsCredential: true, listsCards: true });
  north.confirmsRevocation = true;
  north.customer.ownerReference = "north-bank-customer1";
  north.customer.cards = [card("north-visa", "VISA", "4242"), card("north-mc", "MC", "5454")];
  wallet.credential.afterExchange = async () => {};
});

function bankOf(bsimId: string): BankBehaviour {
  const bank = wallet.credential.banks.get(bsimId);
  if (bank === undefined) throw new Error(`no ${bsimId}`);
  return bank;
}

const noSignal = new AbortController().signal;
const cardsOf = async (auth: Parameters<typeof api.listCards>[1]) => (await api.listCards({}, auth)).cards;
const enrolmentsOf = async (auth: Parameters<typeof api.listEnrollments>[1]) =>
  (await api.listEnrollments({}, auth)).enrollments;

it("brings a bank's cards into the wallet and ends in the deep link", async () => {
  const phone = await signUp(api);
  const started = await api.startEnrollment({ bsimId: "north-bank" }, phone.auth);
  expect(started).toMatchObject({ bsimId: "north-bank", bankName: "North Bank" });
  expect(started.callbackUrlPattern).toBe(`${appUrl}/api/mobile/enrollment/callback/north-bank`);
  const link = await comeBack(wallet.http, "north-bank", { code: "c1", state: started.state });
  expect(Object.fromEntries(link)).toEqual({
    success: "true",
    bsimId: "north-bank",
    bankName: "North Bank",
    cardCount: "2",
  });
  const cards = await cardsOf(phone.auth);
  expect(cards.map((one) => [one.lastFour, one.isDefault])).toEqual([
    ["4242", true],
    ["5454", false],
  ]);
  for (const one of cards) expect(one.walletCardToken).toMatch(/^wsim_north-bank_[0-9a-f]{12}$/);
  const [enrolment] = await enrolmentsOf(phone.auth);
  expect(enrolment).toMatchObject({
    id: started.enrollmentId,
    fiUserRef: "north-bank-customer1",
    bankName: "North Bank",
    cardCount: 2,
    reauthRequired: false,
  });
  expect(Date.parse(enrolment?.credentialExpiry ?? "")).toBeGreaterThan(Date.now());
});

it("refuses a replayed state and one that is unknown, of another bank or missing", async () => {
  const phone = await signUp(api);
  const { state } = await api.startEnrollment({ bsimId: "north-bank" }, phone.auth);
  const errorOf = async (bsimId: string, query: Record<string, string>) =>
    (await comeBack(wallet.http, bsimId, query)).get("error");
  expect(await errorOf("north-bank", { state })).toBe("missing_code");
  expect(await errorOf("north-bank", { code: "c1" })).toBe("missing_state");
  expect(await errorOf("north-bank", { code: "c1", state: "unknown" })).toBe("invalid_state");
  expect(await errorOf("maple-bank", { code: "c1", state })).toBe("invalid_state");
  expect(await errorOf("north-bank", { code: "c1", state })).toBeNull();
  expect(await errorOf("north-bank", { code: "c1", state })).toBe("invalid_state");
});

it("lets one of two callbacks that arrive together win", async () => {
  const phone = await signUp(api);
  const { state } = await api.startEnrollment({ bsimId: "north-bank" }, phone.auth);
  const links = await Promise.all([1, 2, 3].map(() => comeBack(wallet.http, "north-bank", { code: "c1", state })));
  expect(links.map((link) => link.get("success")).sort()).toEqual(["false", "false", "true"]);
  expect(await cardsOf(phone.auth)).toHaveLength(2);
});

it("ends an attempt after ten minutes", async () => {
  const phone = await signUp(api);
  const { state } = await api.startEnrollment({ bsimId: "north-bank" }, phone.auth);
  wallet.clock.advance(10 * 60_000);
  const link = await comeBack(wallet.http, "north-bank", { code: "c1", state });
  expect(link.get("error")).toBe("expired");
});

it("passes the bank's refusal on as its code, without its text, and spends the state", async () => {
  const phone = await signUp(api);
  const { state } = await api.startEnrollment({ bsimId: "north-bank" }, phone.auth);
  const refusal = { error: "access_denied", error_description: "secret bank text", state };
  const link = await comeBack(wallet.http, "north-bank", refusal);
  expect(link.get("error")).toBe("access_denied");
  expect(link.get("message")).not.toContain("secret");
  const replay = await comeBack(wallet.http, "north-bank", { code: "c1", state });
  expect(replay.get("error")).toBe("invalid_state");
});

it("finishes on a new process an enrolment that began on one that is gone", async () => {
  const phone = await signUp(api);
  const { state } = await api.startEnrollment({ bsimId: "north-bank" }, phone.auth);
  const other = await wallet.replica();
  const link = await comeBack(other.http, "north-bank", { code: "c1", state });
  expect(link.get("success")).toBe("true");
  expect(await cardsOf(phone.auth)).toHaveLength(2);
});

it("completes in the background an enrolment whose process died after the exchange", async () => {
  const phone = await signUp(api);
  const { state } = await api.startEnrollment({ bsimId: "north-bank" }, phone.auth);
  // As if the process died here: the exchange is stored at its holder, the answer never arrives.
  wallet.credential.afterExchange = async () => {
    throw new Error("connection lost");
  };
  const link = await comeBack(wallet.http, "north-bank", { code: "c1", state });
  expect(link.get("error")).toBe("callback_failed");
  await repairEnrolments(wallet.deps, noSignal);
  expect(await enrolmentsOf(phone.auth)).toHaveLength(0);
  wallet.clock.advance(stuckAfterMs);
  const other = await wallet.replica();
  await Promise.all([repairEnrolments(wallet.deps, noSignal), repairEnrolments(other.deps, noSignal)]);
  expect(await enrolmentsOf(phone.auth)).toHaveLength(1);
  expect(await cardsOf(phone.auth)).toHaveLength(2);
});

it("gives an exchange up that left nothing at its holder", async () => {
  const phone = await signUp(api);
  const { state } = await api.startEnrollment({ bsimId: "north-bank" }, phone.auth);
  north.failure = { kind: "OUTAGE", word: "provider_unavailable" };
  await comeBack(wallet.http, "north-bank", { code: "c1", state });
  wallet.clock.advance(20 * 60_000);
  await repairEnrolments(wallet.deps, noSignal);
  const { state: stored } = await wallet.db.query
    .selectFrom("enrolment_attempts")
    .select("state")
    .where("user_id", "=", phone.userId)
    .executeTakeFirstOrThrow();
  expect(stored).toBe("failed");
});

it("replaces an enrolment in place: cards keep id and token, gone ones leave, owner and connection change", async () => {
  const phone = await signUp(api);
  await enrol(wallet, phone, "north-bank");
  const before = await cardsOf(phone.auth);
  const [old] = await enrolmentsOf(phone.auth);
  const oldConnection = wallet.credential.connections.findLast((one) => one.userId === phone.userId);
  north.customer.ownerReference = "north-bank-customer1-new";
  north.customer.cards = [card("north-visa", "VISA", "4243"), card("north-amex", "AMEX", "0005")];
  await enrol(wallet, phone, "north-bank");
  const after = await cardsOf(phone.auth);
  const visaBefore = before.find((one) => one.lastFour === "4242");
  const visaAfter = after.find((one) => one.lastFour === "4243");
  expect(visaAfter).toMatchObject({ id: visaBefore?.id, walletCardToken: visaBefore?.walletCardToken });
  expect(after.map((one) => one.lastFour).sort()).toEqual(["0005", "4243"]);
  const enrolments = await enrolmentsOf(phone.auth);
  expect(enrolments).toHaveLength(1);
  expect(enrolments[0]).toMatchObject({ id: old?.id, fiUserRef: "north-bank-customer1-new", cardCount: 2 });
  // The older login's connection serves nobody any more; the job that ends it is in the queue.
  const { rows } = await wallet.db.pool.query(
    "select payload from wallet_jobs._private_jobs j join wallet_jobs._private_tasks t on t.id = j.task_id where t.identifier = 'drop_connection'",
  );
  expect(rows.map((row) => row.payload.connectionId)).toContain(oldConnection?.connectionId);
});

it("brings a card back with its old id and token when it is shared again", async () => {
  const phone = await signUp(api);
  await enrol(wallet, phone, "north-bank");
  const before = (await cardsOf(phone.auth)).find((one) => one.lastFour === "5454");
  north.customer.cards = [card("north-visa", "VISA", "4242")];
  await enrol(wallet, phone, "north-bank");
  expect(await cardsOf(phone.auth)).toHaveLength(1);
  north.customer.cards = [card("north-visa", "VISA", "4242"), card("north-mc", "MC", "5454")];
  await enrol(wallet, phone, "north-bank");
  const after = (await cardsOf(phone.auth)).find((one) => one.lastFour === "5454");
  expect(after).toMatchObject({ id: before?.id, walletCardToken: before?.walletCardToken });
});

it("keeps the cards it knows when the bank cannot list them after a new consent", async () => {
  const phone = await signUp(api);
  await enrol(wallet, phone, "north-bank");
  north.listsCards = false;
  const link = await enrol(wallet, phone, "north-bank");
  expect(link.get("cardCount")).toBe("2");
  expect(await cardsOf(phone.auth)).toHaveLength(2);
});

it("shows an enrolment without a wallet credential as needing its user, never as an error", async () => {
  const phone = await signUp(api);
  north.grantsCredential = false;
  const link = await enrol(wallet, phone, "north-bank");
  expect(link.get("success")).toBe("true");
  expect((await enrolmentsOf(phone.auth))[0]).toMatchObject({ reauthRequired: true, cardCount: 0 });
});

it("shows a credential revoked at the bank within one look, and the new consent after it", async () => {
  const phone = await signUp(api);
  await enrol(wallet, phone, "north-bank");
  const connection = wallet.credential.connections.findLast((one) => one.userId === phone.userId);
  if (connection === undefined) throw new Error("not connected");
  connection.state = "REVOKED";
  expect((await enrolmentsOf(phone.auth))[0]).toMatchObject({ reauthRequired: true });
  await enrol(wallet, phone, "north-bank");
  expect((await enrolmentsOf(phone.auth))[0]).toMatchObject({ reauthRequired: false });
});

it("removes an enrolment with its cards, revokes at the bank, and answers a repeat alike", async () => {
  const phone = await signUp(api);
  await enrol(wallet, phone, "north-bank");
  wallet.clock.advance(1);
  await enrol(wallet, phone, "maple-bank");
  const [enrolment] = await enrolmentsOf(phone.auth);
  const enrollmentId = enrolment?.id ?? "";
  expect(await api.removeEnrollment({ enrollmentId }, phone.auth)).toMatchObject({ success: true, deletedCards: 2 });
  const connection = wallet.credential.connections.find(
    (one) => one.userId === phone.userId && one.bsimId === "north-bank",
  );
  expect(wallet.credential.disconnects).toContain(connection?.connectionId);
  const cards = await cardsOf(phone.auth);
  expect(cards.map((one) => one.bsimId)).toEqual(["maple-bank", "maple-bank"]);
  expect(cards.filter((one) => one.isDefault)).toHaveLength(1);
  expect(await api.removeEnrollment({ enrollmentId }, phone.auth)).toMatchObject({ success: true, deletedCards: 0 });
});

it("keeps asking a bank that is down to revoke, and the cards are gone meanwhile", async () => {
  const phone = await signUp(api);
  await enrol(wallet, phone, "north-bank");
  const [enrolment] = await enrolmentsOf(phone.auth);
  const by = { userId: phone.userId, enrolmentId: enrolment?.id ?? "" };
  north.confirmsRevocation = false;
  await api.removeEnrollment({ enrollmentId: by.enrolmentId }, phone.auth);
  expect(await cardsOf(phone.auth)).toHaveLength(0);
  expect(await enrolmentsOf(phone.auth)).toHaveLength(0);
  const stateOf = async () =>
    (
      await wallet.db.query
        .selectFrom("enrolments")
        .select("state")
        .where("enrolment_id", "=", by.enrolmentId)
        .executeTakeFirstOrThrow()
    ).state;
  expect(await stateOf()).toBe("removing");
  north.confirmsRevocation = true;
  expect(await finishEnrolmentRemoval(wallet.deps, by, { timeoutMs: 5_000 })).toBe(true);
  expect(await stateOf()).toBe("removed");
});

it("does not let a removal under way end a consent given after it", async () => {
  const phone = await signUp(api);
  await enrol(wallet, phone, "north-bank");
  const [old] = await enrolmentsOf(phone.auth);
  north.confirmsRevocation = false;
  await api.removeEnrollment({ enrollmentId: old?.id ?? "" }, phone.auth);
  await enrol(wallet, phone, "north-bank");
  const ended = wallet.credential.disconnects.length;
  await finishEnrolmentRemoval(wallet.deps, { userId: phone.userId, enrolmentId: old?.id ?? "" }, { timeoutMs: 5_000 });
  expect(wallet.credential.disconnects).toHaveLength(ended);
  expect((await enrolmentsOf(phone.auth))[0]).toMatchObject({ reauthRequired: false, cardCount: 2 });
});

it("answers for another user's enrolment as for none", async () => {
  const owner = await signUp(api);
  await enrol(wallet, owner, "north-bank");
  const [enrolment] = await enrolmentsOf(owner.auth);
  const stranger = await signUp(api);
  for (const enrollmentId of [enrolment?.id ?? "", "0190a000-0000-7000-8000-000000000000", "nonsense"]) {
    expect(await failureOf(api.removeEnrollment({ enrollmentId }, stranger.auth))).toEqual({
      status: 404,
      error: "not_found",
    });
  }
  expect(await enrolmentsOf(owner.auth)).toHaveLength(1);
});

it("offers active banks that support enrolment alone", async () => {
  const phone = await signUp(api);
  wallet.banks.push({ bsimId: "paused-bank", name: "Paused", logoUrl: undefined, enrollable: false });
  const { banks } = await api.listMobileBanks({});
  expect(banks.map((bank) => bank.bsimId)).toEqual(["north-bank", "maple-bank"]);
  for (const bsimId of ["paused-bank", "unknown-bank"]) {
    const refused = await failureOf(api.startEnrollment({ bsimId }, phone.auth));
    expect(refused).toEqual({ status: 404, error: "not_found" });
  }
});

it("drops what a squatter enrolled when the owner of the address signs in, attempts under way included", async () => {
  const squatter = await signUp(api);
  await enrol(wallet, squatter, "north-bank");
  const { state } = await api.startEnrollment({ bsimId: "maple-bank" }, squatter.auth);
  const owner = await signInByCode(api, squatter.email, `own-phone-of-${squatter.email}`);
  expect(await enrolmentsOf(owner.auth)).toHaveLength(0);
  expect(await cardsOf(owner.auth)).toHaveLength(0);
  const link = await comeBack(wallet.http, "maple-bank", { code: "c1", state });
  expect(link.get("error")).toBe("invalid_state");
  expect(await enrolmentsOf(owner.auth)).toHaveLength(0);
});
