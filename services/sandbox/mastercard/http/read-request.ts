import type { z } from "zod";
import { finicityError, missing } from "../domain/finicity-error.ts";

/** Reads a body by its shape. Throws 10005 for a missing member and 10010 for one that is not valid, naming it. */
export function readRequest<S extends z.ZodType>(shape: S, body: unknown): z.infer<S> {
  const parsed = shape.safeParse(body ?? {});
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const name = issue?.path.join(".") || "body";
  throw isMissing(issue?.path ?? [], body) ? missing(name) : finicityError("10010", `"${name}" is not valid`);
}

function isMissing(path: readonly PropertyKey[], body: unknown): boolean {
  let value: unknown = body;
  for (const step of path) {
    if (typeof value !== "object" || value === null) return true;
    value = Reflect.get(value, step);
  }
  return value === undefined;
}

/** An id of a path; undefined for a text that can be none. */
export function idOf(text: string): bigint | undefined {
  return /^\d{1,18}$/.test(text) ? BigInt(text) : undefined;
}

/** `start` (from 1) and `limit` of a list. Throws 1618 for what is no number above zero; more than `limitMax` counts as that. */
export function pageOf(
  query: Readonly<Record<string, string>>,
  limitMax: number,
  limitDefault = limitMax,
): { start: number; limit: number } {
  const start = positive(query["start"], 1);
  return { start, limit: Math.min(positive(query["limit"], limitDefault), limitMax) };
}

function positive(text: string | undefined, otherwise: number): number {
  if (text === undefined) return otherwise;
  if (!/^[1-9]\d{0,8}$/.test(text)) throw finicityError("1618");
  return Number.parseInt(text, 10);
}
