import { z } from "zod";
import { parseJson } from "../provider-http.ts";

/** As many as a cursor of 4 KiB holds. */
export const balancesMax = 80;

/** How far a balance has been read. Times are milliseconds since 1970. */
export interface BalanceMark {
  readonly balanceId: string;
  readonly currency: string;
  readonly readUntil: number;
}

/** What is remembered between pages and runs. Wise has no cursors: it answers spans of time, balance by balance. */
export interface SyncCursor {
  readonly marks: readonly BalanceMark[];
  /** Undefined between runs. `until` is when it began: nothing later is read; `spanMs` how much is asked for at once. */
  readonly run: { readonly until: number; readonly spanMs: number } | undefined;
}

const time = z.number().int().min(0).max(8.64e15);
const textShape = z.object({
  v: z.literal(1),
  b: z.array(z.tuple([z.string().regex(/^\d{1,19}$/), z.string().regex(/^[A-Z]{3}$/), time])).max(balancesMax),
  r: z.tuple([time, z.number().int().min(1)]).optional(),
});

/** Reads what {@link writeCursor} wrote; undefined for anything else, such as a cursor of another release. */
export function readCursor(text: string): SyncCursor | undefined {
  if (text === "") return { marks: [], run: undefined };
  const parsed = textShape.safeParse(parseJson(text));
  if (!parsed.success) return undefined;
  const { b, r } = parsed.data;
  return {
    marks: b.map(([balanceId, currency, readUntil]) => ({ balanceId, currency, readUntil })),
    run: r === undefined ? undefined : { until: r[0], spanMs: r[1] },
  };
}

/** The cursor as text, below 4 KiB. */
export function writeCursor({ marks, run }: SyncCursor): string {
  const b = marks.map(({ balanceId, currency, readUntil }) => [balanceId, currency, readUntil]);
  return JSON.stringify({ v: 1, b, ...(run === undefined ? {} : { r: [run.until, run.spanMs] }) });
}
