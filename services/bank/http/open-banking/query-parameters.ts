import { DomainError } from "../../../platform/errors/domain-error.ts";

const limitMax = 100;
const offsetMax = 1_000_000;
const defaultPeriodMs = 90 * 24 * 3_600_000;

/** Which rows of a list are asked for. */
export interface Paging {
  readonly limit: number;
  readonly offset: number;
}

/** Reads `limit` (1 to 100, more is taken as 100; 100 when absent) and `offset`. Throws `INVALID_ARGUMENT`. */
export function readPaging(query: unknown): Paging {
  const limit = readWhole(query, "limit", limitMax);
  if (limit === 0) throw new DomainError("INVALID_ARGUMENT", { why: "limit must be at least 1" });
  const offset = readWhole(query, "offset", 0);
  if (offset > offsetMax) throw new DomainError("INVALID_ARGUMENT", { why: `offset is at most ${offsetMax}` });
  return { limit: Math.min(limit, limitMax), offset };
}

/** Reads `startTime` and `endTime` (ISO 8601, the end outside the period); the last 90 days when absent. */
export function readPeriod(query: unknown, now: Date): { from: Date; until: Date } {
  const until = readTime(query, "endTime") ?? new Date(now.getTime() + 1);
  return { from: readTime(query, "startTime") ?? new Date(until.getTime() - defaultPeriodMs), until };
}

/** The rows of a page out of one more than asked, and where the next page begins when there is one. */
export function toPage<Row>(
  rows: readonly Row[],
  paging: Paging,
): { shown: readonly Row[]; page?: { nextOffset: number } } {
  const shown = rows.slice(0, paging.limit);
  return rows.length > paging.limit ? { shown, page: { nextOffset: paging.offset + paging.limit } } : { shown };
}

function readText(query: unknown, name: string): string | undefined {
  if (typeof query !== "object" || query === null || !Object.hasOwn(query, name)) return undefined;
  const value: unknown = Reflect.get(query, name);
  const first: unknown = Array.isArray(value) ? value[0] : value;
  return typeof first === "string" && first !== "" ? first : undefined;
}

function readWhole(query: unknown, name: string, otherwise: number): number {
  const text = readText(query, name);
  if (text === undefined) return otherwise;
  if (!/^\d{1,9}$/.test(text)) throw new DomainError("INVALID_ARGUMENT", { why: `${name} must be a whole number` });
  return Number.parseInt(text, 10);
}

const isoDate = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:?\d{2})?)?$/;

function readTime(query: unknown, name: string): Date | undefined {
  // In a query an unescaped "+" of a zone arrives as a space.
  const text = readText(query, name)?.replace(/ (?=\d{2}:?\d{2}$)/, "+");
  if (text === undefined) return undefined;
  const time = isoDate.test(text) ? new Date(text) : new Date(Number.NaN);
  if (Number.isNaN(time.getTime()))
    throw new DomainError("INVALID_ARGUMENT", { why: `${name} must be an ISO 8601 time` });
  return time;
}
