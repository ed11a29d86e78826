import { z } from "zod";
import type { ConnectionAccess, ProviderCall } from "../connector.ts";
import type { ProviderTransaction, TransactionPage } from "../provider-data.ts";
import { currencyOf, minorOf } from "../provider-money.ts";
import { type PlaidCalls, PlaidRefusal } from "./plaid-api.ts";

// Half of Plaid's own limit: a page with all its counterparties and places has to stay below the megabyte we read.
const pageSize = 250;
const cursorLengthMax = 256;

const text = z.string().max(1000);
const day = z.iso.date();
const moment = z.iso.datetime({ offset: true });
const transactionShape = z.looseObject({
  transaction_id: z.string().min(1).max(255),
  account_id: z.string().min(1).max(255),
  amount: z.string().max(60),
  iso_currency_code: z.string().max(8).nullish(),
  name: text.nullish(),
  merchant_name: text.nullish(),
  pending: z.boolean(),
  pending_transaction_id: z.string().max(255).nullish(),
  date: day,
  datetime: moment.nullish(),
  authorized_date: day.nullish(),
  authorized_datetime: moment.nullish(),
  personal_finance_category: z.looseObject({ primary: z.string().max(100) }).nullish(),
});
const changes = z.array(transactionShape).max(500);
const pageShape = z.looseObject({
  added: changes,
  modified: changes,
  removed: z.array(z.looseObject({ transaction_id: z.string().min(1).max(255) })).max(500),
  next_cursor: z.string().max(cursorLengthMax),
  has_more: z.boolean(),
});

/**
 * One page of `/transactions/sync`. Data that moved between two pages makes the run begin again from its first cursor, as Plaid asks;
 * a cursor that is not this item's begins at the beginning.
 */
export async function syncTransactions(
  calls: PlaidCalls,
  access: ConnectionAccess,
  cursor: string,
  call: ProviderCall,
): Promise<TransactionPage> {
  const request = { access_token: access.accessToken, count: pageSize, ...(cursor === "" ? {} : { cursor }) };
  try {
    const page = await calls.ask((api) => api.transactionsSync(request), pageShape, call);
    return {
      added: page.added.flatMap(toTransaction),
      changed: page.modified.flatMap(toTransaction),
      removed: page.removed.map((each) => each.transaction_id),
      nextCursor: page.next_cursor,
      hasMore: page.has_more,
    };
  } catch (error) {
    const restart = error instanceof PlaidRefusal ? restartAfter(error.code, cursor) : undefined;
    if (restart === undefined) throw error;
    return { added: [], changed: [], removed: [], nextCursor: cursor, hasMore: true, restart };
  }
}

function restartAfter(code: string, cursor: string): "run" | "beginning" | undefined {
  if (code === "TRANSACTIONS_SYNC_MUTATION_DURING_PAGINATION") return "run";
  const isCursorRefused = code === "INVALID_FIELD" || code === "INVALID_CURSOR";
  return isCursorRefused && cursor !== "" ? "beginning" : undefined;
}

function toTransaction(given: z.infer<typeof transactionShape>): ProviderTransaction[] {
  const currency = currencyOf(given.iso_currency_code);
  if (currency === undefined) return [];
  const transacted = given.authorized_datetime ?? given.authorized_date ?? undefined;
  return [
    {
      transactionId: given.transaction_id,
      accountId: given.account_id,
      // Plaid's positive amounts leave the account.
      amountMinor: -minorOf(given.amount, currency),
      currency,
      description: given.merchant_name ?? given.name ?? "",
      status: given.pending ? "pending" : "posted",
      postedAt: new Date(given.datetime ?? given.date),
      transactedAt: transacted === undefined ? undefined : new Date(transacted),
      category: given.personal_finance_category?.primary,
      pendingTransactionId: given.pending_transaction_id ?? undefined,
    },
  ];
}
