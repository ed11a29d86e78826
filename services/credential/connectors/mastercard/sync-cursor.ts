import { z } from "zod";
import { parseJson } from "../provider-http.ts";

/** What is stored of a cursor may have 4 KiB; the rest is for a run's own places. */
const lengthMax = 3_900;
const accountsMax = 60;

/** Where a run stands. Times are milliseconds since 1970. */
export interface SyncRun {
  readonly from: number;
  readonly to: number;
  /** The place of the next page's first transaction, from 1. */
  readonly start: number;
  /** How many there were at the first page; undefined before it. */
  readonly found: number | undefined;
  /** Told as pending by earlier runs, and not seen in this one so far. */
  readonly waiting: readonly string[];
}

/** What is remembered between pages and runs. Mastercard has no cursors: it answers spans of time, a page by its place. */
export interface SyncCursor {
  /** Until when the institution had been asked at the end of the last run; undefined before it. */
  readonly readUntil: number | undefined;
  /** Accounts whose past was read. */
  readonly accounts: readonly string[];
  /** Transactions told as pending: those that go without being posted are taken back. */
  readonly pending: readonly string[];
  /** Undefined between runs. */
  readonly run: SyncRun | undefined;
}

/** Before the first run. */
export const noCursor: SyncCursor = Object.freeze({ readUntil: undefined, accounts: [], pending: [], run: undefined });

const time = z.number().int().min(0).max(8.64e15);
const place = z.number().int().min(0).max(1_000_000);
const textShape = z.object({
  v: z.literal(1),
  u: time.optional(),
  a: z.array(z.string()),
  p: z.array(z.string()),
  r: z.object({ f: time, t: time, s: place, n: place.optional(), w: z.array(z.string()) }).optional(),
});

/** Reads what {@link writeCursor} wrote; undefined for anything else, such as a cursor of another release. */
export function readCursor(text: string): SyncCursor | undefined {
  if (text === "") return noCursor;
  const parsed = textShape.safeParse(parseJson(text));
  if (!parsed.success) return undefined;
  const { u, a, p, r } = parsed.data;
  const run = r === undefined ? undefined : { from: r.f, to: r.t, start: r.s, found: r.n, waiting: r.w };
  return { readUntil: u, accounts: a, pending: p, run };
}

/** The text of a cursor. */
export function writeCursor({ readUntil, accounts, pending, run }: SyncCursor): string {
  const r = run === undefined ? undefined : { f: run.from, t: run.to, s: run.start, n: run.found, w: run.waiting };
  return JSON.stringify({ v: 1, u: readUntil, a: accounts.slice(0, accountsMax), p: pending, r });
}

/** Whether it may be stored. */
export function fits(cursor: SyncCursor): boolean {
  return Buffer.byteLength(writeCursor(cursor)) <= lengthMax;
}
