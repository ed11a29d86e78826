import { z } from "zod";
import { parseJson } from "../provider-http.ts";
import type { TrueLayerAccount } from "./accounts.ts";

/** What is stored of a cursor may have this many characters; a little is left for the run's own places. */
const lengthMax = 3_900;
const accountsMax = 60;

/** Where a run stands. Times are milliseconds since 1970. */
export interface SyncRun {
  /** When it began: nothing later is read. */
  readonly until: number;
  /** The first moment it reads of each account. */
  readonly from: number;
  /** Which account is being read; past the last one, what is pending comes. */
  readonly index: number;
  /** From when on that account is still to be read. */
  readonly at: number;
  /** How many accounts the bank showed nothing of without its user. */
  readonly limited: number;
}

/** What is remembered between pages and runs. TrueLayer has no cursors: it answers spans of time, account by account. */
export interface SyncCursor {
  /** Until when everything was read; undefined before the first run has ended. */
  readonly readUntil: number | undefined;
  /** As the last run found them: some banks list accounts only shortly after a consent. */
  readonly accounts: readonly TrueLayerAccount[];
  /** Transactions told as pending, by account: those that are gone without being booked are taken back. */
  readonly pending: ReadonlyMap<string, readonly string[]>;
  /** Undefined between runs. */
  readonly run: SyncRun | undefined;
}

/** Before the first run. */
export const noCursor: SyncCursor = Object.freeze({
  readUntil: undefined,
  accounts: [],
  pending: new Map(),
  run: undefined,
});

const time = z.number().int().min(0).max(8.64e15);
const count = z.number().int().min(0).max(1_000);
const textShape = z.object({
  v: z.literal(1),
  u: time.optional(),
  /** `a` or `c` for its kind, then the id; beside it what is pending. */
  a: z.array(z.tuple([z.string().regex(/^[ac]./), z.array(z.string())])),
  r: z.tuple([time, time, count, time, count]).optional(),
});

/** Reads what {@link writeCursor} wrote; undefined for anything else, such as a cursor of another release. */
export function readCursor(text: string): SyncCursor | undefined {
  if (text === "") return noCursor;
  const parsed = textShape.safeParse(parseJson(text));
  if (!parsed.success) return undefined;
  const { u, a, r } = parsed.data;
  const accounts = a.map(([name]) => ({ accountId: name.slice(1), kind: name.startsWith("a") ? "account" : "card" }));
  return {
    readUntil: u,
    accounts: accounts as readonly TrueLayerAccount[], // the kinds are those above
    pending: new Map(a.map(([name, ids]) => [name.slice(1), ids])),
    run: r === undefined ? undefined : { until: r[0], from: r[1], index: r[2], at: r[3], limited: r[4] },
  };
}

/** The cursor as text, at most 4 KiB as long as {@link accountsThatFit} and {@link fits} were asked. */
export function writeCursor(cursor: SyncCursor): string {
  const { readUntil: u, run } = cursor;
  const a = cursor.accounts.map((each) => [
    `${each.kind === "account" ? "a" : "c"}${each.accountId}`,
    cursor.pending.get(each.accountId) ?? [],
  ]);
  const r = run === undefined ? undefined : [run.until, run.from, run.index, run.at, run.limited];
  return JSON.stringify({ v: 1, u, a, r });
}

/** Whether a cursor can be stored. */
export function fits(cursor: SyncCursor): boolean {
  return writeCursor(cursor).length <= lengthMax;
}

/** As many accounts as a cursor holds, the first ones; people have a handful. */
export function accountsThatFit(accounts: readonly TrueLayerAccount[]): readonly TrueLayerAccount[] {
  const kept: TrueLayerAccount[] = [];
  for (const { accountId, kind } of accounts.slice(0, accountsMax)) {
    if (!fits({ ...noCursor, accounts: [...kept, { accountId, kind }] })) break;
    kept.push({ accountId, kind });
  }
  return kept;
}
