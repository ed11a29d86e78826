import { z } from "zod";
import type { ConnectionAccess, ProviderCall } from "../connector.ts";
import type { ProviderTransaction, TransactionPage } from "../provider-data.ts";
import { nothingOfProvider, ProviderError } from "../provider-error.ts";
import { currencyOf, minorOf } from "../provider-money.ts";
import { beginningAgain } from "../transaction-pages.ts";
import { withinOneTimeout } from "../within-one-timeout.ts";
import { ofUser } from "./accounts.ts";
import type { BasiqApi } from "./basiq-api.ts";
import { type BasiqConnection, fetchConnections, liveConnections, momentShape } from "./records.ts";
import { hasRoom, nextLengthMax, readCursor, type SyncCursor, type SyncRun, writeCursor } from "./sync-cursor.ts";

const dayMs = 86_400_000;
// Half of Basiq's own limit: a page with all its enrichment has to stay below the megabyte we read.
const pageSize = 250;
const pageMax = 500;
/** Banks post late and correct: so many days before what is known are read again. */
const overlapDays = 14;
/** Basiq is asked to ask the bank when it has not for so long; what it finds, it tells by webhook, or the next run sees. */
const staleMs = 12 * 3_600_000;
const connectionsMax = 10;

const transactionShape = z.looseObject({
  id: z.string().min(1).max(255),
  account: z.string().min(1).max(255),
  connection: z.string().max(255).nullish(),
  status: z.enum(["pending", "posted"]),
  amount: z.string().max(60),
  currency: z.string().max(8).nullish(),
  description: z.string().max(2000).nullish(),
  class: z.string().max(100).nullish(),
  subClass: z.looseObject({ title: z.string().max(200).nullish() }).nullish(),
  postDate: momentShape,
  transactionDate: momentShape,
});
type Given = z.infer<typeof transactionShape>;
const pageShape = z.looseObject({
  data: z.array(transactionShape).max(pageMax),
  links: z.looseObject({ next: z.string().max(4_000).nullish() }),
});

interface Work {
  readonly api: BasiqApi;
  readonly userId: string;
  readonly call: ProviderCall;
  left(): ProviderCall;
}

/**
 * One page: first what is posted, from some days before what is known, then what is pending. Basiq gives pending transactions new ids at
 * each refresh, so those told of before and not seen again are taken back.
 */
export async function syncTransactions(
  api: BasiqApi,
  access: ConnectionAccess,
  page: { readonly cursor: string; readonly from: Date },
  call: ProviderCall,
): Promise<TransactionPage> {
  const left = withinOneTimeout(call);
  const work: Work = { api, userId: access.accessToken, call, left };
  const known = page.cursor === "" ? undefined : readCursor(page.cursor);
  if (page.cursor !== "" && known === undefined) return beginningAgain;
  return await ofUser(work, async () => {
    if (known?.run !== undefined) return await readPage(work, { ...known, run: known.run });
    const begun = await beginRun(work, known, page.from);
    return begun === undefined ? beginningAgain : await readPage(work, begun);
  });
}

type Running = SyncCursor & { readonly run: SyncRun };

/** Undefined: the connections are others than before, and nothing that was told of by their ids is there any more. */
async function beginRun(work: Work, known: SyncCursor | undefined, from: Date): Promise<Running | undefined> {
  const all = liveConnections(await fetchConnections(work.api, work.userId, work.left()));
  if (all.every((each) => each.status === "invalid")) {
    throw new ProviderError("reauthorize", { detail: "no connection that works" });
  }
  const connections = all
    .map((each) => each.id)
    .toSorted()
    .slice(0, connectionsMax);
  if (known?.connections.some((id) => !connections.includes(id))) return undefined;
  await refreshStale(work, all);
  const isNew = known === undefined || connections.some((id) => !known.connections.includes(id));
  const run: SyncRun = { stage: "posted", next: undefined, readUntil: readUntil(all), newest: undefined, seen: [] };
  const since = isNew ? dayOf(from) : known.since;
  return { since, connections, pending: known?.pending ?? [], run };
}

/** Until when Basiq has asked every bank. One that it could not ask has a gap, which is read once it can. */
function readUntil(connections: readonly BasiqConnection[]): string | undefined {
  const times = connections.map((each) => each.lastUsed?.getTime());
  const known = times.filter((each) => each !== undefined);
  return known.length < times.length || known.length === 0 ? undefined : dayOf(new Date(Math.min(...known)));
}

async function refreshStale({ api, userId, call, left }: Work, connections: readonly BasiqConnection[]): Promise<void> {
  const staleBefore = new Date(call.now.getTime() - staleMs);
  for (const { id, status, lastUsed } of connections) {
    if (status !== "active" || lastUsed === undefined || lastUsed > staleBefore) continue;
    const request = { method: "POST", path: `/users/${userId}/connections/${id}/refresh` } as const;
    // What Basiq has already is worth reading, whether it can ask the bank or not.
    await api.ask(request, z.unknown(), left()).catch(nothingOfProvider);
  }
}

async function readPage(work: Work, cursor: Running): Promise<TransactionPage> {
  const { run } = cursor;
  const base = `/users/${work.userId}/transactions`;
  const path = base + (run.next ?? firstQuery(cursor));
  const page = await work.api.ask({ method: "GET", path }, pageShape, work.left());
  const next = nextQuery(work.api, base, page.links.next);
  const live = page.data.filter((each) => !each.connection || cursor.connections.includes(each.connection));
  return run.stage === "posted" ? postedPage(cursor, live, next) : pendingPage(cursor, live, next, work.call.now);
}

function firstQuery({ since, run }: Running): string {
  const filter =
    run.stage === "posted"
      ? `transaction.status.eq('posted'),transaction.postDate.gteq('${since}')`
      : "transaction.status.eq('pending')";
  return `?limit=${pageSize}&filter=${encodeURIComponent(filter)}`;
}

/** The query of the next page, which has to lie where this one does: our token goes along. */
function nextQuery(api: BasiqApi, base: string, next: string | null | undefined): string | undefined {
  if (next === null || next === undefined || next === "") return undefined;
  const here = new URL(api.baseUrl + base);
  const url = URL.canParse(next, here) ? new URL(next, here) : undefined;
  if (url?.origin !== here.origin || url.pathname !== here.pathname || url.search.length > nextLengthMax) {
    throw new ProviderError("unavailable", { detail: "the next page is elsewhere" });
  }
  return url.search;
}

function postedPage(cursor: Running, given: readonly Given[], next: string | undefined): TransactionPage {
  const added = given.filter((each) => each.status === "posted").flatMap((each) => toTransaction(each, undefined));
  const ids = new Set(given.map((each) => each.id));
  const newest = [cursor.run.newest, ...added.map((each) => dayOf(each.postedAt))].reduce(later, undefined);
  const run: SyncRun = { ...cursor.run, newest, next, stage: next === undefined ? "pending" : "posted" };
  // One that was posted under the id it was pending with stays.
  const pending = cursor.pending.filter((id) => !ids.has(id));
  const nextCursor = writeCursor({ ...cursor, pending, run });
  return { added, changed: [], removed: [], nextCursor, hasMore: true };
}

function pendingPage(cursor: Running, given: readonly Given[], next: string | undefined, now: Date): TransactionPage {
  const added: ProviderTransaction[] = [];
  const seen = [...cursor.run.seen];
  for (const each of given.filter(({ status }) => status === "pending")) {
    const [told] = toTransaction(each, now);
    if (told === undefined || !(seen.includes(each.id) || hasRoom(seen, each.id))) continue;
    if (!seen.includes(each.id)) seen.push(each.id);
    added.push(told);
  }
  const pending = cursor.pending.filter((id) => !seen.includes(id));
  if (next !== undefined) {
    const nextCursor = writeCursor({ ...cursor, pending, run: { ...cursor.run, next, seen } });
    return { added, changed: [], removed: [], nextCursor, hasMore: true };
  }
  const nextCursor = writeCursor({ ...cursor, since: nextSince(cursor), pending: seen, run: undefined });
  return { added, changed: [], removed: pending, nextCursor, hasMore: false };
}

/** From where the next run reads: days before the earlier of the newest line and the last time every bank was asked. */
function nextSince({ since, run: { readUntil: until, newest } }: Running): string {
  if (until === undefined || newest === undefined) return since;
  const known = until < newest ? until : newest;
  return later(since, dayOf(new Date(Date.parse(known) - overlapDays * dayMs))) ?? since;
}

function toTransaction(given: Given, undatedAt: Date | undefined): ProviderTransaction[] {
  const currency = currencyOf(given.currency);
  const postedAt = given.postDate ?? given.transactionDate ?? undatedAt;
  if (currency === undefined || postedAt === undefined) return [];
  return [
    {
      transactionId: given.id,
      accountId: given.account,
      // Outgoing amounts are below zero at Basiq too.
      amountMinor: minorOf(given.amount, currency),
      currency,
      description: given.description ?? "",
      status: given.status,
      postedAt,
      transactedAt: given.transactionDate,
      category: given.subClass?.title ?? given.class ?? undefined,
    },
  ];
}

function dayOf(time: Date): string {
  return time.toISOString().slice(0, 10);
}

function later(one: string | undefined, other: string | undefined): string | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return one > other ? one : other;
}
