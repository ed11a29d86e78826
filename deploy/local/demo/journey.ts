import { randomUUID } from "node:crypto";
import { demoWorld } from "../world.ts";
import { type Books, readBooks, tellChanges } from "./books.ts";
import { expectSame, type Narrator, Surprise } from "./narrator.ts";
import { Phone } from "./phone.ts";
import { type Json, listOf, numberOf, rest, textOf } from "./rest.ts";
import { Shopper } from "./shopper.ts";
import { type PaidOrder, printAgreement } from "./summary.ts";
import { bankName, type WorldAddresses } from "./world-addresses.ts";

/**
 * The whole story through public HTTP: enrol two banks, see balances, pay by either card, capture, refund, void, cancel,
 * remove an enrolment; then the books of shop, Router and banks must agree. Throws a Surprise at the first difference.
 */
export async function runJourney(world: WorldAddresses, narrator: Narrator): Promise<void> {
  const atStart = await readBooks(world, narrator);
  const run = randomUUID().slice(0, 8);
  const phone = new Phone(world, narrator, `demo-${run}@example.com`, `demo-device-${run}`);
  await enrolBothBanks(phone, narrator);
  await lookAtMoney(phone, narrator);

  const paid: PaidOrder[] = [];
  const shopper = new Shopper(world, narrator);
  let books = await tellChanges(world, narrator, atStart);
  for (const { id } of demoWorld.banks) {
    narrator.step(`Pay at the shop with a card of ${bankName(id)}`);
    await shopper.checkOut();
    if (paid.length === 0) await shopper.signIn(phone.email, phone.mailbox);
    paid.push({ orderId: await shopper.authorize(id), bankId: id });
    books = await tellChanges(world, narrator, books);
  }
  books = await workTheDesk(world, narrator, shopper, paid, books);
  books = await payWhileSigningUp(world, narrator, run, paid, books);
  await refuseBadPayments(world, narrator, books);
  await leave(phone, narrator);
  await printAgreement(world, narrator, paid, atStart);
}

async function enrolBothBanks(phone: Phone, narrator: Narrator): Promise<void> {
  narrator.step(`Sign up on the phone as ${phone.email}`);
  await phone.signUp("Dana Demo");

  narrator.step("Refuse consent at North Bank: the app learns it, nothing is stored");
  const denied = await phone.deny("north-bank", "customer1@example.com");
  expectSame("the deep link's success", denied.searchParams.get("success"), "false");
  expectSame("the bank's own code", denied.searchParams.get("error"), "access_denied");
  expectSame("the enrolments", await phone.enrolments(), []);

  for (const { id, name } of demoWorld.banks) {
    narrator.step(`Enrol ${name} on its consent page`);
    const link = await phone.enrol(id, "customer1@example.com");
    expectSame("the deep link's success", link.searchParams.get("success"), "true");
    expectSame("the cards shared", link.searchParams.get("cardCount"), "2");
  }
}

async function lookAtMoney(phone: Phone, narrator: Narrator): Promise<void> {
  narrator.step("See accounts and cards of both banks on the phone");
  const accounts = await phone.accounts();
  for (const account of accounts) {
    narrator.note(
      `${textOf(account, "bankName")}: ${textOf(account, "displayName")} ${numberOf(account, "balance").toFixed(2)} ${textOf(account, "currency")}`,
    );
  }
  expectSame("the banks with accounts", [...new Set(accounts.map((account) => account["bsimId"]))].sort(), [
    "maple-bank",
    "north-bank",
  ]);
  expectSame("the number of accounts", accounts.length, 4);
  const cards = listOf(await phone.summary(), "cards");
  expectSame("the number of cards", cards.length, 4);
  narrator.note(
    cards
      .map((card) => `${textOf(card, "bankName")} ${textOf(card, "cardType")} ${textOf(card, "lastFour")}`)
      .join(", "),
  );
}

/** Capture in part and refund at one bank, void at the other; repeats change nothing. */
async function workTheDesk(
  world: WorldAddresses,
  narrator: Narrator,
  shopper: Shopper,
  paid: readonly PaidOrder[],
  before: Books,
): Promise<Books> {
  const [first, second] = paid;
  if (first === undefined || second === undefined) throw new Surprise("two paid orders", String(paid.length));
  const merchant = { "x-api-key": demoWorld.merchantKey };
  const payment = async (orderId: string): Promise<string> => textOf(await shopper.order(orderId), "transactionId");

  narrator.step("Capture the first payment at the shop's desk, and again by REST: one charge");
  await shopper.desk(first.orderId, "Capture");
  let books = await tellChanges(world, narrator, before);
  const captureUrl = `${world.gateway}/api/v1/payments/${await payment(first.orderId)}/capture`;
  const again = await rest(narrator, {
    method: "POST",
    url: captureUrl,
    headers: { ...merchant, "content-type": "application/json" },
  });
  expectSame("the state after the repeat", again["status"], "captured");
  books = await tellChanges(world, narrator, books);

  narrator.step("Refund five dollars of it");
  await shopper.desk(first.orderId, "Refund", { "Amount to refund": "5.00" });
  const refunded = await rest(narrator, {
    method: "GET",
    url: captureUrl.replace(/\/capture$/, ""),
    headers: merchant,
  });
  expectSame("the refunded amount", refunded["refundedAmount"], 5);
  books = await tellChanges(world, narrator, books);

  narrator.step("A refund of more than was captured is refused, and nothing changes");
  const captured = numberOf(refunded, "capturedAmount");
  await rest(narrator, {
    method: "POST",
    url: captureUrl.replace(/capture$/, "refund"),
    headers: merchant,
    body: { amount: captured },
    expect: 400,
  });
  books = await tellChanges(world, narrator, books);

  narrator.step("Void the second payment");
  await shopper.desk(second.orderId, "Void");
  return tellChanges(world, narrator, books);
}

/** Another person signs up, enrols a bank and pays without leaving the payment; a third payment is cancelled. */
async function payWhileSigningUp(
  world: WorldAddresses,
  narrator: Narrator,
  run: string,
  paid: PaidOrder[],
  before: Books,
): Promise<Books> {
  narrator.step("A new person signs up and enrols Maple Credit Union from inside the payment");
  const phone = new Phone(world, narrator, `demo-${run}-b@example.com`, `demo-device-${run}-b`);
  const shopper = new Shopper(world, narrator);
  await shopper.checkOut();
  await shopper.signUp(phone.email, "Bo Demo", phone.mailbox);
  await shopper.addBank("maple-bank", "customer2@example.com");
  paid.push({ orderId: await shopper.authorize("maple-bank"), bankId: "maple-bank" });
  const books = await tellChanges(world, narrator, before);

  narrator.step("Cancel on the card page: the shop is told, no bank is asked");
  await shopper.checkOut();
  await shopper.cancel();
  return tellChanges(world, narrator, books);
}

/** Requests that must fail, each with its stable answer. */
async function refuseBadPayments(world: WorldAddresses, narrator: Narrator, before: Books): Promise<void> {
  narrator.step("Bad payments are refused: unknown bank, forged token, no key, no amount");
  const order = (orderId: string, more: Json): Json => ({
    merchantId: demoWorld.merchantId,
    amount: 10,
    currency: "CAD",
    cardToken: "forged",
    orderId: `${orderId}-${randomUUID().slice(0, 8)}`,
    ...more,
  });
  const url = `${world.gateway}/api/v1/payments/authorize`;
  const headers = { "x-api-key": demoWorld.merchantKey };
  const call = (body: Json, expect: number): Promise<Json> =>
    rest(narrator, { method: "POST", url, headers, body, expect });
  const unknown = await call(order("unknown-bank", { walletCardToken: "wsim_no-such-bank_0123456789ab" }), 400);
  expectSame("the routing decline", [unknown["status"], unknown["declineReason"]], ["declined", "Unknown bank"]);
  const forged = await call(order("forged", { walletCardToken: "wsim_north-bank_0123456789ab" }), 400);
  expectSame("the bank's decline", [forged["status"], forged["declineReason"]], ["declined", "Invalid card token"]);
  await call(order("zero", { amount: 0 }), 400);
  const keyless = await rest(narrator, { method: "POST", url, body: order("keyless", {}), expect: 401 });
  expectSame("the error word", keyless["error"], "unauthorized");
  await tellChanges(world, narrator, before);
}

async function leave(phone: Phone, narrator: Narrator): Promise<void> {
  narrator.step("Remove North Bank from the wallet: its cards go, and the bank revokes");
  const north = (await phone.enrolments()).find((enrolment) => enrolment["bsimId"] === "north-bank");
  if (north === undefined) throw new Surprise("an enrolment of North Bank", "none");
  const removed = await phone.removeEnrolment(textOf(north, "id"));
  expectSame("the cards removed", removed["deletedCards"], 2);
  expectSame(
    "the banks left",
    [...new Set((await phone.accounts()).map((account) => account["bsimId"]))],
    ["maple-bank"],
  );

  narrator.step("Sign out: the access token is refused");
  await phone.signOut();
}
