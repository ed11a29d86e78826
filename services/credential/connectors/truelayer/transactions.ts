import { z } from "zod";
import type { ConnectionAccess, ProviderCall } from "../connector.ts";
import type { ProviderTransaction } from "../provider-data.ts";
import { ProviderError } from "../provider-error.ts";
import { answerTooLarge } from "../provider-http.ts";
import { currencyOf, minorOf } from "../provider-money.ts";
import { pathOf, type TrueLayerAccount } from "./accounts.ts";
import type { TrueLayerApi } from "./truelayer-api.ts";

const dayMs = 86_400_000;
const id = z.string().min(1).max(200);
const text = z.string().max(1_000);
// Some banks give days, or times without an offset; both are UTC.
const time = z
  .union([z.iso.datetime({ offset: true, local: true }), z.iso.date()])
  .transform((given) => new Date(/(T.*(Z|[+-]\d\d:\d\d)|^[^T]*)$/.test(given) ? given : `${given}Z`));
const transactionShape = z.looseObject({
  transaction_id: id,
  normalised_provider_transaction_id: id.nullish(),
  provider_transaction_id: id.nullish(),
  timestamp: time,
  description: text.nullish(),
  merchant_name: text.nullish(),
  transaction_type: z
    .string()
    .transform((word) => word.toUpperCase())
    .pipe(z.enum(["DEBIT", "CREDIT"])),
  transaction_category: z.string().max(100).nullish(),
  amount: z.string().max(60),
  currency: z.string().max(8),
});

/** One account, and what opens it. */
export interface AccountReading {
  readonly api: TrueLayerApi;
  readonly access: Pick<ConnectionAccess, "accessToken">;
  readonly account: TrueLayerAccount;
}

/** A span of time, both ends included, milliseconds since 1970. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

/**
 * The booked transactions of a span, or of the first part of it when the whole is more than an answer may hold: `to` says how far
 * it went.
 */
export async function readBooked(
  reading: AccountReading,
  span: Span,
  call: () => ProviderCall,
): Promise<{ readonly transactions: readonly ProviderTransaction[]; readonly to: number }> {
  const { from } = span;
  for (let { to } = span; ; to = from + Math.floor((to - from) / 2)) {
    const query = new URLSearchParams({ from: new Date(from).toISOString(), to: new Date(to).toISOString() });
    try {
      const path = `${pathOf(reading.account)}/transactions?${query.toString()}`;
      return { transactions: await read(reading, path, "posted", call()), to };
    } catch (error) {
      const isTooLarge = error instanceof ProviderError && error.detail === answerTooLarge;
      if (!isTooLarge || to - from <= dayMs) throw error;
    }
  }
}

/** What is not booked yet. It keeps its id when it is, at banks that allow to tell. */
export async function readPending(
  reading: AccountReading,
  call: ProviderCall,
): Promise<readonly ProviderTransaction[]> {
  return await read(reading, `${pathOf(reading.account)}/transactions/pending`, "pending", call);
}

async function read(
  { api, access, account }: AccountReading,
  path: string,
  status: ProviderTransaction["status"],
  call: ProviderCall,
): Promise<readonly ProviderTransaction[]> {
  const results = await api.read(path, access.accessToken, transactionShape, call);
  return results.flatMap((each) => toTransaction(account, each, status));
}

function toTransaction(
  { accountId }: TrueLayerAccount,
  given: z.infer<typeof transactionShape>,
  status: ProviderTransaction["status"],
): ProviderTransaction[] {
  const currency = currencyOf(given.currency);
  if (currency === undefined) return [];
  const minor = minorOf(given.amount, currency);
  const size = minor < 0n ? -minor : minor;
  return [
    {
      transactionId: idOf(accountId, given),
      accountId,
      // Signs differ between accounts, cards and banks; the type does not.
      amountMinor: given.transaction_type === "DEBIT" ? -size : size,
      currency,
      description: given.merchant_name ?? given.description ?? "",
      status,
      postedAt: given.timestamp,
      category: given.transaction_category ?? undefined,
    },
  ];
}

/**
 * TrueLayer's own id may change from answer to answer; the normalised one does not, nor does the bank's, which both sides of a
 * transfer between two accounts may share.
 */
function idOf(accountId: string, given: z.infer<typeof transactionShape>): string {
  if (typeof given.normalised_provider_transaction_id === "string") return given.normalised_provider_transaction_id;
  if (typeof given.provider_transaction_id === "string") return `${accountId}:${given.provider_transaction_id}`;
  return given.transaction_id;
}
