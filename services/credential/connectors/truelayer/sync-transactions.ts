import type { ConnectionAccess, ProviderCall } from "../connector.ts";
import type { ProviderTransaction, TransactionPage } from "../provider-data.ts";
import { isScopeLimited, ProviderError } from "../provider-error.ts";
import { beginningAgain, isPageFull } from "../transaction-pages.ts";
import { withinOneTimeout } from "../within-one-timeout.ts";
import { findAccounts, type TrueLayerAccount } from "./accounts.ts";
import { accountsThatFit, fits, readCursor, type SyncCursor, type SyncRun, writeCursor } from "./sync-cursor.ts";
import { readBooked, readPending } from "./transactions.ts";
import { type TrueLayerApi, TrueLayerRefusal } from "./truelayer-api.ts";

const dayMs = 86_400_000;
/** How much of an account is asked for at once. */
const spanMs = 90 * dayMs;
/** Banks book lines days after the date they carry. */
const lateBookingMs = 10 * dayMs;
/** What banks show of the past without their user; before that they may ask for him. */
const unattendedMs = 89 * dayMs;
const historyMs = 730 * dayMs;

/** What a page is read with. */
export interface SyncParts {
  readonly api: TrueLayerApi;
  readonly scopes: readonly string[];
}

/**
 * One page: as many spans, account by account, as fit into it. The next run reads again what may have been booked late; telling a
 * line twice is harmless.
 */
export async function syncTransactions(
  parts: SyncParts,
  access: ConnectionAccess,
  page: { readonly cursor: string; readonly from: Date },
  call: ProviderCall,
): Promise<TransactionPage> {
  const stored = readCursor(page.cursor);
  if (stored === undefined) return beginningAgain;
  const told: Told = { added: new Map(), removed: new Set() };
  const reading: Reading = { ...parts, access, told, next: withinOneTimeout(call) };
  let cursor: RunningCursor =
    stored.run === undefined
      ? await beginRun(reading, stored, { now: call.now, from: page.from })
      : { ...stored, run: stored.run };
  let after: SyncCursor | undefined;
  while (after === undefined && !isPageFull(told.added.size, { left: reading.next(), whole: call })) {
    const account = cursor.accounts[cursor.run.index];
    if (account === undefined) after = endRun(cursor);
    else cursor = await readAccount(reading, cursor, account);
  }
  return {
    added: [...told.added.values()],
    changed: [],
    removed: [...told.removed],
    nextCursor: writeCursor(after ?? cursor),
    hasMore: after === undefined,
  };
}

interface Told {
  readonly added: Map<string, ProviderTransaction>;
  readonly removed: Set<string>;
}

interface Reading extends SyncParts {
  readonly access: ConnectionAccess;
  readonly told: Told;
  /** Limits of the next request. */
  readonly next: () => ProviderCall;
}

type RunningCursor = SyncCursor & { readonly run: SyncRun };

async function beginRun(
  reading: Reading,
  stored: SyncCursor,
  bounds: { readonly now: Date; readonly from: Date },
): Promise<RunningCursor> {
  const accounts = await findAccounts(reading.api, reading.access, reading.scopes, reading.next())
    .then(accountsThatFit)
    .catch((error: unknown) => {
      // Some banks list accounts only shortly after a consent, and go on showing those that are known.
      if (isScopeLimited(error) && stored.accounts.length > 0) return stored.accounts;
      throw error;
    });
  const here = new Set(accounts.map((each) => each.accountId));
  for (const [accountId, ids] of stored.pending) {
    if (!here.has(accountId)) for (const id of ids) reading.told.removed.add(id);
  }
  const until = bounds.now.getTime();
  const wanted = stored.readUntil === undefined ? bounds.from.getTime() : stored.readUntil - lateBookingMs;
  const from = Math.min(until, Math.max(wanted, bounds.from.getTime(), until - historyMs));
  return { ...stored, accounts, run: { until, from, index: 0, at: from, limited: 0 } };
}

/** Reads one span of an account, and what is pending with the last of them. */
async function readAccount(reading: Reading, cursor: RunningCursor, account: TrueLayerAccount): Promise<RunningCursor> {
  const { run } = cursor;
  const span = { from: run.at, to: Math.min(run.at + spanMs, run.until) };
  try {
    const { transactions, to } = await readBooked({ ...reading, account }, span, reading.next);
    const booked = new Set(transactions.map((each) => each.transactionId));
    const waiting = (cursor.pending.get(account.accountId) ?? []).filter((id) => !booked.has(id));
    const isLast = to >= run.until;
    const pending = isLast ? await pendingOf(reading, account) : undefined;
    for (const each of transactions) reading.told.added.set(each.transactionId, each);
    const read = { ...cursor, pending: new Map(cursor.pending).set(account.accountId, waiting) };
    if (!isLast) return { ...read, run: { ...run, at: to } };
    const settled = pending === undefined ? read : settlePending(reading.told, read, { account, waiting, pending });
    return { ...settled, run: nextAccount(run, 0) };
  } catch (error) {
    const recent = run.until - unattendedMs;
    const isPastRefused = isScopeLimited(error) || isWord(error, "invalid_date_range");
    // The further past is only shown while the user is there, or not at all; what is recent may be all the same.
    if (isPastRefused && run.at < recent) return { ...cursor, run: { ...run, at: recent } };
    if (isScopeLimited(error)) return { ...cursor, run: nextAccount(run, 1) };
    if (isNotThere(error)) return { ...cursor, run: nextAccount(run, 0) };
    throw error;
  }
}

/** Tells what is pending, and takes back what was told as pending before and is neither that nor booked. */
function settlePending(
  told: Told,
  cursor: RunningCursor,
  found: {
    readonly account: TrueLayerAccount;
    readonly waiting: readonly string[];
    readonly pending: readonly ProviderTransaction[];
  },
): RunningCursor {
  const { accountId } = found.account;
  const withPending = (ids: readonly string[]) => ({ ...cursor, pending: new Map(cursor.pending).set(accountId, ids) });
  const kept: string[] = [];
  for (const each of found.pending) {
    // Only what can be taken back is told; the rest comes when it is booked. Some banks show what is booked as pending, too.
    if (told.added.has(each.transactionId) || !fits(withPending([...kept, each.transactionId]))) continue;
    told.added.set(each.transactionId, each);
    kept.push(each.transactionId);
  }
  for (const id of found.waiting) if (!kept.includes(id)) told.removed.add(id);
  return withPending(kept);
}

function nextAccount(run: SyncRun, limited: 0 | 1): SyncRun {
  return { ...run, index: run.index + 1, at: run.from, limited: run.limited + limited };
}

function endRun({ accounts, pending, readUntil, run }: RunningCursor): SyncCursor {
  // Nothing could be read: that is no run that succeeded, and its user has to know.
  if (accounts.length > 0 && run.limited === accounts.length) throw new ProviderError("scope_limited");
  // With an account unread, the next run begins where this one did.
  return { accounts, pending, readUntil: run.limited > 0 ? readUntil : run.until, run: undefined };
}

/** Undefined when the bank does not show it now; empty when it never does. */
async function pendingOf(
  reading: Reading,
  account: TrueLayerAccount,
): Promise<readonly ProviderTransaction[] | undefined> {
  try {
    return await readPending({ ...reading, account }, reading.next());
  } catch (error) {
    if (isScopeLimited(error)) return undefined;
    if (isNotThere(error)) return [];
    throw error;
  }
}

function isNotThere(error: unknown): boolean {
  return error instanceof ProviderError && error.failure === "not_found";
}

function isWord(error: unknown, word: string): boolean {
  return error instanceof TrueLayerRefusal && error.word === word;
}
