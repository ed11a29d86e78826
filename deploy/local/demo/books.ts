import { type DemoBankId, demoWorld } from "../world.ts";
import { type Narrator, Surprise } from "./narrator.ts";
import { listOf, numberOf, rest, textOf } from "./rest.ts";
import { bankName, type WorldAddresses } from "./world-addresses.ts";

/** What one bank's ledger holds for the merchant, in cents. */
export interface BankPosition {
  /** Authorizations of every state but declined. */
  readonly approvedCount: number;
  readonly heldCents: number;
  readonly capturedCents: number;
  readonly refundedCents: number;
}

export type Books = Readonly<Record<DemoBankId, BankPosition>>;

/** Dollars as whole cents: the demo adds up many, and a sum of doubles would drift. */
export function cents(dollars: number): number {
  return Math.round(dollars * 100);
}

/** Reads both banks' ledgers, each of which must balance. */
export async function readBooks(world: WorldAddresses, narrator: Narrator): Promise<Books> {
  const read = async (id: DemoBankId): Promise<BankPosition> => {
    const ledger = await rest(narrator, {
      method: "GET",
      url: `${world.banks[id]}/api/admin/ledger?merchantId=${demoWorld.merchantId}`,
      headers: { "x-admin-key": demoWorld.operatorKey },
      quiet: true,
    });
    if (ledger["balanced"] !== true)
      throw new Surprise(`balanced books at ${bankName(id)}`, JSON.stringify(ledger["totals"]));
    const rows = listOf(ledger, "authorizations");
    const total = (name: string, states?: readonly string[]): number =>
      rows
        .filter((row) => states === undefined || states.includes(textOf(row, "state")))
        .reduce((sum, row) => sum + cents(numberOf(row, name)), 0);
    return {
      approvedCount: rows
        .filter((row) => textOf(row, "state") !== "DECLINED")
        .reduce((sum, row) => sum + numberOf(row, "count"), 0),
      heldCents: total("authorized", ["PENDING"]),
      capturedCents: total("captured"),
      refundedCents: total("refunded"),
    };
  };
  const [north, maple] = await Promise.all([read("north-bank"), read("maple-bank")]);
  return { "north-bank": north, "maple-bank": maple };
}

/** The difference of two readings of one bank. */
export function change(before: BankPosition, after: BankPosition): BankPosition {
  return {
    approvedCount: after.approvedCount - before.approvedCount,
    heldCents: after.heldCents - before.heldCents,
    capturedCents: after.capturedCents - before.capturedCents,
    refundedCents: after.refundedCents - before.refundedCents,
  };
}

/** Says what changed at each bank since a reading; returns the new one. */
export async function tellChanges(world: WorldAddresses, narrator: Narrator, before: Books): Promise<Books> {
  const after = await readBooks(world, narrator);
  for (const { id, name } of demoWorld.banks) {
    const { approvedCount, heldCents, capturedCents, refundedCents } = change(before[id], after[id]);
    const parts = [
      approvedCount === 0 ? undefined : `${approvedCount} new authorization`,
      heldCents === 0 ? undefined : `held ${signed(heldCents)}`,
      capturedCents === 0 ? undefined : `captured ${signed(capturedCents)}`,
      refundedCents === 0 ? undefined : `refunded ${signed(refundedCents)}`,
    ].filter((part) => part !== undefined);
    narrator.note(`${name}'s ledger: ${parts.length === 0 ? "unchanged" : parts.join(", ")}`);
  }
  return after;
}

function signed(amountCents: number): string {
  return `${amountCents > 0 ? "+" : "-"}${(Math.abs(amountCents) / 100).toFixed(2)}`;
}
