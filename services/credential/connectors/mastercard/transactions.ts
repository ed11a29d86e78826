import { z } from "zod";
import type { ConnectionAccess, ProviderCall } from "../connector.ts";
import type { ProviderTransaction, TransactionPage } from "../provider-data.ts";
import { ProviderError } from "../provider-error.ts";
import { currencyOf, minorOf } from "../provider-money.ts";
import { beginningAgain } from "../transaction-pages.ts";
import { withinOneTimeout } from "../within-one-timeout.ts";
import { accountsOfLogin, isSignTurned, type MastercardAccount } from "./accounts.ts";
import { readLoginAccess } from "./login-access.ts";
import { idShape, type MastercardApi } from "./mastercard-api.ts";
import { fits, readCursor, type SyncCursor, type SyncRun, writeCursor } from "./sync-cursor.ts";

const dayMs = 86_400_000;
// Half of what Mastercard allows: a page has to stay below the megabyte we read.
const pageSize = 500;
/** Institutions post, correct and take back what is weeks old. */
const overlapMs = 30 * dayMs;
/** Days are told as noon, and may be those of another time zone. */
const aheadMs = 2 * dayMs;

const epochSeconds = z.number().int().min(0).max(99_999_999_999);
const text = z.string().max(1_000);
const transactionShape = z.looseObject({
  id: idShape,
  uniqueTransactionId: z.string().min(1).max(255).nullish(),
  accountId: idShape,
  amount: z.string().max(60),
  status: z.enum(["active", "pending", "shadow"]),
  description: text.nullish(),
  memo: text.nullish(),
  transactionDate: epochSeconds.nullish(),
  postedDate: epochSeconds.nullish(),
  createdDate: epochSeconds,
  categorization: z
    .looseObject({ normalizedPayeeName: text.nullish(), category: z.string().max(200).nullish() })
    .nullish(),
});
type Transaction = z.infer<typeof transactionShape>;
const pageShape = z.looseObject({
  found: z.coerce.number().int().min(0).max(1_000_000),
  // A word in some answers.
  moreAvailable: z.union([z.boolean(), z.enum(["true", "false"]).transform((word) => word === "true")]),
  transactions: z.array(transactionShape).max(1_000),
});

/**
 * One page. A run reads everything since the last one anew, and a month before it, for institutions correct what is weeks old; a run
 * begins at `page.from` as long as an account's past is not read, which is not before the institution was asked for the first time.
 * What a shadow stands for, and a pending transaction that is gone, is removed. Fails with `unavailable` before the institution was asked at
 * all, a moment after the consent: what is read then is nothing, and the run is to be tried again soon.
 */
export async function syncTransactions(
  api: MastercardApi,
  access: ConnectionAccess,
  page: { readonly cursor: string; readonly from: Date },
  call: ProviderCall,
): Promise<TransactionPage> {
  const stored = readCursor(page.cursor);
  if (stored === undefined) return beginningAgain;
  const next = withinOneTimeout(call);
  const accounts = await accountsOfLogin(api, access, next());
  if (stored.run === undefined && !accounts.some((each) => each.aggregationSuccessDate)) {
    throw new ProviderError("unavailable", { detail: "the institution was not asked yet" });
  }
  const run = stored.run ?? beginRun(stored, accounts, { now: call.now, from: page.from });
  const answer = await readPage(api, access, run, next());
  // Places have moved: somebody has aggregated between two pages.
  if (run.found !== undefined && run.found !== answer.found) {
    return { added: [], changed: [], removed: [], nextCursor: page.cursor, hasMore: true, restart: "run" };
  }
  const told = tell(accounts, { ...stored, run: { ...run, found: answer.found } }, answer.transactions);
  const { cursor, added, removed } = told;
  if (!answer.moreAvailable) {
    const gone = [...removed, ...cursor.run.waiting];
    return { added, changed: [], removed: gone, nextCursor: writeCursor(endRun(cursor, accounts)), hasMore: false };
  }
  if (answer.transactions.length === 0) throw new ProviderError("unavailable", { detail: "a page without an end" });
  const onward = { ...cursor, run: { ...cursor.run, start: run.start + answer.transactions.length } };
  return { added, changed: [], removed, nextCursor: writeCursor(onward), hasMore: true };
}

type RunningCursor = SyncCursor & { readonly run: SyncRun };

function beginRun(
  stored: SyncCursor,
  accounts: readonly MastercardAccount[],
  bounds: { readonly now: Date; readonly from: Date },
): SyncRun {
  const isPastRead = accounts.every((each) => stored.accounts.includes(each.id));
  const earliest = bounds.from.getTime();
  const since = isPastRead && stored.readUntil !== undefined ? stored.readUntil - overlapMs : earliest;
  const to = bounds.now.getTime() + aheadMs;
  return { from: Math.min(Math.max(since, earliest), to), to, start: 1, found: undefined, waiting: stored.pending };
}

/** An account counts as read from when its institution was first asked: before that its past is empty. */
function endRun(cursor: RunningCursor, accounts: readonly MastercardAccount[]): SyncCursor {
  const asked = accounts.flatMap(({ id, aggregationSuccessDate: at }) => (at ? [{ id, atMs: at * 1_000 }] : []));
  const readUntil = asked.length === 0 ? undefined : Math.min(...asked.map((each) => each.atMs));
  return { ...cursor, accounts: asked.map((each) => each.id), readUntil, run: undefined };
}

async function readPage(
  api: MastercardApi,
  access: ConnectionAccess,
  run: SyncRun,
  call: ProviderCall,
): Promise<z.infer<typeof pageShape>> {
  const { customerId } = readLoginAccess(access.accessToken);
  // The oldest first: what comes in meanwhile stands at the end, and moves nothing.
  const query = new URLSearchParams({
    fromDate: String(Math.floor(run.from / 1_000)),
    toDate: String(Math.floor(run.to / 1_000)),
    start: String(Math.max(1, run.start)),
    limit: String(pageSize),
    sort: "asc",
    includePending: "true",
  });
  return await api.get(`/aggregation/v3/customers/${customerId}/transactions?${query.toString()}`, pageShape, call);
}

interface Told {
  readonly cursor: RunningCursor;
  readonly added: readonly ProviderTransaction[];
  readonly removed: readonly string[];
}

/** Sorts a page; the customer's other logins are other connections. */
function tell(
  accounts: readonly MastercardAccount[],
  before: RunningCursor,
  transactions: readonly Transaction[],
): Told {
  const own = new Map(accounts.map((each) => [each.id, each]));
  const added: ProviderTransaction[] = [];
  const removed: string[] = [];
  let cursor = before;
  // What was pending at the last run is looked for from the first page on; each page adds what is pending now.
  let pending = before.run.start === 1 ? [] : before.pending;
  for (const each of transactions) {
    const account = own.get(each.accountId);
    const transaction = account === undefined ? undefined : toTransaction(each, account);
    if (transaction === undefined) continue;
    const { transactionId } = transaction;
    const waiting = cursor.run.waiting.filter((id) => id !== transactionId);
    if (each.status === "shadow") removed.push(transactionId);
    else if (each.status === "active") added.push(transaction);
    else {
      const kept = [...pending, transactionId];
      // Only what can be taken back is told; the rest comes when it is posted.
      if (!fits({ ...cursor, pending: kept, run: { ...cursor.run, waiting } })) continue;
      pending = kept;
      added.push(transaction);
    }
    cursor = { ...cursor, run: { ...cursor.run, waiting } };
  }
  return { cursor: { ...cursor, pending }, added, removed };
}

function toTransaction(given: Transaction, account: MastercardAccount): ProviderTransaction | undefined {
  const currency = currencyOf(account.currency ?? "USD");
  if (currency === undefined) return undefined;
  const amount = minorOf(given.amount, currency);
  const made = given.transactionDate ?? undefined;
  const isPending = given.status === "pending";
  const booked = (isPending ? made : (given.postedDate ?? made)) ?? given.createdDate;
  return {
    transactionId: given.uniqueTransactionId ?? `${given.accountId}-${given.id}`,
    accountId: given.accountId,
    amountMinor: isSignTurned(account) ? -amount : amount,
    currency,
    description: given.categorization?.normalizedPayeeName ?? given.description ?? given.memo ?? "",
    status: isPending ? "pending" : "posted",
    postedAt: new Date(booked * 1_000),
    transactedAt: made === undefined ? undefined : new Date(made * 1_000),
    category: given.categorization?.category ?? undefined,
  };
}
