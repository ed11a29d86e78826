import { z } from "zod";
import { parseJson } from "../provider-http.ts";

/** What is stored of a cursor may have 4 KiB: a page's address and two lists of ids have to fit. */
export const nextLengthMax = 1_000;
const idsLengthMax = 1_300;

/** A run under way. */
export interface SyncRun {
  readonly stage: "posted" | "pending";
  /** The query of the next page; undefined before the first of a stage. */
  readonly next: string | undefined;
  /** The day up to which every connection was read by Basiq, and the newest posting day seen; neither when unknown. */
  readonly readUntil: string | undefined;
  readonly newest: string | undefined;
  /** Pending transactions seen in this run. */
  readonly seen: readonly string[];
}

/** What is remembered between pages and runs. Basiq has no cursors: it answers by posting day. */
export interface SyncCursor {
  /** The first posting day to be read; `YYYY-MM-DD`. */
  readonly since: string;
  /** The connections that what was read came by. */
  readonly connections: readonly string[];
  /** Pending transactions told of, not seen again so far in this run. */
  readonly pending: readonly string[];
  /** Undefined between runs. */
  readonly run: SyncRun | undefined;
}

const day = z.iso.date();
const ids = z.array(z.string().max(255)).max(200);
const shape = z.object({
  v: z.literal(1),
  s: day,
  c: ids,
  p: ids,
  r: z
    .object({
      g: z.enum(["posted", "pending"]),
      n: z.string().max(nextLengthMax).optional(),
      u: day.optional(),
      m: day.optional(),
      k: ids,
    })
    .optional(),
});

/** Reads what {@link writeCursor} wrote; undefined for anything else, such as a cursor of another release. */
export function readCursor(text: string): SyncCursor | undefined {
  const parsed = shape.safeParse(parseJson(text));
  if (!parsed.success) return undefined;
  const { s: since, c: connections, p: pending, r } = parsed.data;
  const run = r && { stage: r.g, next: r.n, readUntil: r.u, newest: r.m, seen: r.k };
  return { since, connections, pending, run };
}

/** The cursor as text, at most 4 KiB as long as {@link hasRoom} was asked. */
export function writeCursor({ since: s, connections: c, pending: p, run }: SyncCursor): string {
  const r = run && { g: run.stage, n: run.next, u: run.readUntil, m: run.newest, k: run.seen };
  return JSON.stringify({ v: 1, s, c, p, r });
}

/** Whether one more id can be remembered. What cannot be taken back later must not be told of. */
export function hasRoom(known: readonly string[], id: string): boolean {
  return JSON.stringify([...known, id]).length <= idsLengthMax;
}
