import type { ConnectionAccess, ProviderCall } from "../connector.ts";
import type { ProviderTransaction, TransactionPage } from "../provider-data.ts";
import { ProviderError } from "../provider-error.ts";
import { answerTooLarge } from "../provider-http.ts";
import { beginningAgain, isPageFull } from "../transaction-pages.ts";
import { withinOneTimeout } from "../within-one-timeout.ts";
import { readBalances } from "./balances.ts";
import { readStatement } from "./statement.ts";
import { type BalanceMark, balancesMax, readCursor, type SyncCursor, writeCursor } from "./sync-cursor.ts";
import type { WiseApi } from "./wise-api.ts";

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
/** How much of a balance is asked for at once; Wise answers 469 days at most, and a business fills a megabyte sooner. */
const spanMsFirst = 90 * dayMs;
const spanMsMin = hourMs;
/** Lines appear days after the time they carry, such as card purchases that were cleared late. */
const lateLinesMs = 10 * dayMs;

/** What a page is read with. */
export interface SyncParts {
  readonly api: WiseApi;
  readonly balanceTypes: readonly string[];
}

type Running = SyncCursor & { readonly run: NonNullable<SyncCursor["run"]> };

/**
 * One page: as many spans, balance by balance, oldest first, as fit into it; a span whose answer is too large is halved. A later run
 * begins where the last one ended, less the days in which lines may still appear; telling a line twice is harmless.
 */
export async function syncTransactions(
  parts: SyncParts,
  access: ConnectionAccess,
  page: { readonly cursor: string; readonly from: Date },
  call: ProviderCall,
): Promise<TransactionPage> {
  const stored = readCursor(page.cursor);
  if (stored === undefined) return beginningAgain;
  const next = withinOneTimeout(call);
  const bounds = { now: call.now, from: page.from };
  let cursor: Running =
    stored.run === undefined
      ? await beginRun(parts, access, { stored, ...bounds }, next())
      : { ...stored, run: stored.run };
  const added = new Map<string, ProviderTransaction>();
  for (let mark = firstUnread(cursor); mark !== undefined; mark = firstUnread(cursor)) {
    const { transactions, after } = await readSpan(parts, access, { cursor, mark }, next());
    for (const each of transactions) added.set(each.transactionId, each);
    cursor = after;
    if (isPageFull(added.size, { left: next(), whole: call })) break;
  }
  const hasMore = firstUnread(cursor) !== undefined;
  const end = hasMore ? cursor : { marks: cursor.marks, run: undefined };
  return { added: [...added.values()], changed: [], removed: [], nextCursor: writeCursor(end), hasMore };
}

async function beginRun(
  parts: SyncParts,
  access: ConnectionAccess,
  work: { readonly stored: SyncCursor; readonly now: Date; readonly from: Date },
  call: ProviderCall,
): Promise<Running> {
  const balances = await readBalances(parts.api, access, parts.balanceTypes, call);
  const until = work.now.getTime();
  const known = new Map(work.stored.marks.map((mark) => [mark.balanceId, mark.readUntil]));
  const marks = balances.slice(0, balancesMax).map(({ account, currency, openedAt }) => {
    const readUntil = known.get(account.accountId);
    const wanted = readUntil === undefined ? work.from.getTime() : readUntil - lateLinesMs;
    const from = Math.max(wanted, work.from.getTime(), openedAt?.getTime() ?? 0, 0);
    // After a clock that was set back there is nothing to read, and what was read stays read.
    return { balanceId: account.accountId, currency, readUntil: from < until ? from : Math.max(until, readUntil ?? 0) };
  });
  return { marks, run: { until, spanMs: spanMsFirst } };
}

function firstUnread({ marks, run }: Running): BalanceMark | undefined {
  return marks.find((mark) => mark.readUntil < run.until);
}

async function readSpan(
  { api }: SyncParts,
  access: ConnectionAccess,
  { cursor, mark }: { readonly cursor: Running; readonly mark: BalanceMark },
  call: ProviderCall,
): Promise<{ transactions: readonly ProviderTransaction[]; after: Running }> {
  const { run } = cursor;
  const { balanceId, currency, readUntil } = mark;
  const to = Math.min(readUntil + run.spanMs, run.until);
  try {
    const span = { balanceId, currency, from: new Date(readUntil), to: new Date(to) };
    return { transactions: await readStatement(api, access, span, call), after: withMark(cursor, mark, to) };
  } catch (error) {
    if (!(error instanceof ProviderError)) throw error;
    // A balance closed since the run began.
    if (error.failure === "not_found") return { transactions: [], after: withMark(cursor, mark, run.until) };
    if (error.detail !== answerTooLarge || run.spanMs <= spanMsMin) throw error;
    const spanMs = Math.max(spanMsMin, Math.floor((to - readUntil) / 2));
    return { transactions: [], after: { ...cursor, run: { ...run, spanMs } } };
  }
}

function withMark(cursor: Running, mark: BalanceMark, readUntil: number): Running {
  const marks = cursor.marks.map((each) => (each.balanceId === mark.balanceId ? { ...each, readUntil } : each));
  return { ...cursor, marks };
}
