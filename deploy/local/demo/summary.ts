import { type DemoBankId, demoWorld } from "../world.ts";
import { type BankPosition, type Books, cents, change, readBooks } from "./books.ts";
import { expectSame, type Narrator } from "./narrator.ts";
import { type Json, numberOf, rest, textOf } from "./rest.ts";
import { bankName, type WorldAddresses } from "./world-addresses.ts";

/** An order of this run and the bank that approved it. */
export interface PaidOrder {
  readonly orderId: string;
  readonly bankId: DemoBankId;
}

interface Row {
  readonly orderId: string;
  readonly bankId: DemoBankId;
  readonly shop: string;
  readonly router: string;
  readonly amount: number;
  readonly captured: number;
  readonly refunded: number;
}

/** Prints every payment of the run as shop and Router know it, and holds their sums against both ledgers. */
export async function printAgreement(
  world: WorldAddresses,
  narrator: Narrator,
  paid: readonly PaidOrder[],
  atStart: Books,
): Promise<void> {
  narrator.step("The books of shop, Router and banks");
  const rows = await Promise.all(paid.map((order) => readRow(world, narrator, order)));
  const line = (cells: readonly string[]): string =>
    `    ${cells.map((cell, index) => (index < 4 ? cell.padEnd([24, 20, 12, 12][index] ?? 0) : cell.padStart(10))).join(" ")}`;
  narrator.plain(line(["order", "bank", "shop says", "router says", "amount", "captured", "refunded"]));
  for (const row of rows) {
    narrator.plain(
      line([
        row.orderId,
        bankName(row.bankId),
        row.shop,
        row.router,
        money(row.amount),
        money(row.captured),
        money(row.refunded),
      ]),
    );
    expectSame(`the state of ${row.orderId} at the shop`, row.shop, row.router);
  }
  const atEnd = await readBooks(world, narrator);
  for (const { id, name } of demoWorld.banks) {
    const ours = rows.filter((row) => row.bankId === id);
    const router: BankPosition = {
      approvedCount: ours.length,
      heldCents: sum(ours.filter((row) => row.router === "authorized").map((row) => row.amount)),
      capturedCents: sum(ours.map((row) => row.captured)),
      refundedCents: sum(ours.map((row) => row.refunded)),
    };
    const ledger = change(atStart[id], atEnd[id]);
    expectSame(`${name}'s ledger`, ledger, router);
    narrator.plain(
      `    ${name}: ledger and Router agree: ${ledger.approvedCount} approved, held ${money(ledger.heldCents)}, captured ${money(ledger.capturedCents)}, refunded ${money(ledger.refundedCents)}; books balance`,
    );
  }
}

async function readRow(world: WorldAddresses, narrator: Narrator, paid: PaidOrder): Promise<Row> {
  const headers = { "x-api-key": demoWorld.merchantKey };
  const order = await rest(narrator, {
    method: "GET",
    url: `${world.shop}/api/orders/${paid.orderId}`,
    headers,
    quiet: true,
  });
  const payment = await rest(narrator, {
    method: "GET",
    url: `${world.gateway}/api/v1/payments/${textOf(order, "transactionId")}`,
    headers,
    quiet: true,
  });
  expectSame(`the bank of ${paid.orderId}`, [order["bankId"], payment["bsimId"]], [paid.bankId, paid.bankId]);
  return {
    orderId: paid.orderId,
    bankId: paid.bankId,
    shop: textOf(order, "state"),
    router: textOf(payment, "status"),
    ...paymentCents(payment),
  };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function money(amountCents: number): string {
  return (amountCents / 100).toFixed(2);
}

/** A payment's money as the Router tells it, in cents. */
function paymentCents(payment: Json): { amount: number; captured: number; refunded: number } {
  return {
    amount: cents(numberOf(payment, "amount")),
    captured: cents(numberOf(payment, "capturedAmount")),
    refunded: cents(numberOf(payment, "refundedAmount")),
  };
}
