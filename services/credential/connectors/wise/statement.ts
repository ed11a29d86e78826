import { z } from "zod";
import type { Currency } from "../../../platform/money/currency.ts";
import type { ConnectionAccess, ProviderCall } from "../connector.ts";
import type { ProviderTransaction } from "../provider-data.ts";
import { ProviderError } from "../provider-error.ts";
import { currencyOf, minorOf } from "../provider-money.ts";
import type { WiseApi } from "./wise-api.ts";

const linesMax = 20_000;
const descriptionLengthMax = 1_000;
const text = z.string().max(2_000).nullish();
const money = z.looseObject({ value: z.string().max(60), currency: z.string().max(8) });
const lineShape = z.looseObject({
  type: z.enum(["DEBIT", "CREDIT"]),
  date: z.iso.datetime({ offset: true }),
  amount: money,
  details: z.looseObject({ type: text, description: text, category: text }).nullish(),
  runningBalance: money.nullish(),
  referenceNumber: z.string().min(1).max(200),
});
type Line = z.infer<typeof lineShape>;
const statementShape = z.looseObject({ transactions: z.array(lineShape).max(linesMax) });

/** Which statement is asked for; both ends belong to it. At most 469 days. */
export interface StatementSpan {
  readonly balanceId: string;
  readonly currency: string;
  readonly from: Date;
  readonly to: Date;
}

/** The lines of a statement, one a transaction, fees included. */
export async function readStatement(
  api: WiseApi,
  access: ConnectionAccess,
  span: StatementSpan,
  call: ProviderCall,
): Promise<readonly ProviderTransaction[]> {
  const query = new URLSearchParams({
    currency: span.currency,
    intervalStart: span.from.toISOString(),
    intervalEnd: span.to.toISOString(),
    type: "COMPACT",
  });
  const [profile, balance] = [access.providerReference, span.balanceId].map(encodeURIComponent);
  const path = `/v1/profiles/${profile}/balance-statements/${balance}/statement.json?${query}`;
  const { transactions } = await api.read(path, access.accessToken, statementShape, call);
  return toTransactions(span.balanceId, transactions);
}

/**
 * Wise's reference number names what happened, and a transfer's comes again with its refund: with direction and time it names the line.
 * Lines that share even that are told apart by their order; the same line told twice is one.
 */
function toTransactions(balanceId: string, lines: readonly Line[]): ProviderTransaction[] {
  const seen = new Map<string, Set<string>>();
  return lines.flatMap((line) => {
    const at = new Date(line.date);
    const name = `${balanceId}:${line.referenceNumber}:${line.type}:${at.getTime()}`;
    const content = `${line.amount.value} ${line.runningBalance?.value ?? ""}`;
    const told = seen.get(name) ?? new Set();
    if (told.has(content)) return [];
    seen.set(name, told.add(content));
    const transactionId = told.size === 1 ? name : `${name}:${told.size}`;
    return toTransaction(line, { transactionId, accountId: balanceId, postedAt: at });
  });
}

function toTransaction(
  line: Line,
  facts: Pick<ProviderTransaction, "transactionId" | "accountId" | "postedAt">,
): ProviderTransaction[] {
  const currency = currencyOf(line.amount.currency);
  if (currency === undefined) return [];
  const { details } = line;
  return [
    {
      ...facts,
      amountMinor: signedMinor(line, currency),
      currency,
      description: (details?.description ?? "").slice(0, descriptionLengthMax),
      // Statements hold what is booked; what a card has reserved shows in the balance alone.
      status: "posted",
      category: details?.category ?? details?.type ?? undefined,
    },
  ];
}

/** Wise's own sign says the same as the direction; an amount whose two disagree is not told. */
function signedMinor(line: Line, currency: Currency): bigint {
  const minor = minorOf(line.amount.value, currency);
  if (minor !== 0n && minor < 0n !== (line.type === "DEBIT")) {
    throw new ProviderError("unavailable", { detail: "a sign and a direction disagree" });
  }
  return minor;
}
