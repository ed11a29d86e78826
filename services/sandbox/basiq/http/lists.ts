import { z } from "zod";
import { basiqError } from "../domain/basiq-error.ts";

/** A list that is not paged. */
export function listOf(self: string, data: readonly object[]) {
  return { type: "list", count: data.length, size: data.length, data, links: { self } };
}

/** Where a page begins, and what of. */
export interface PageStart {
  readonly offset: number;
  readonly limit: number;
  readonly filter: string;
}

const lengthMax = 4_000;
const startShape = z.tuple([z.number().int().min(0), z.number().int().min(1), z.string()]);

/** A page's start as the opaque `next`. */
export function writeNext({ offset, limit, filter }: PageStart): string {
  return Buffer.from(JSON.stringify([offset, limit, filter])).toString("base64url");
}

/** The start a `next` stands for. Throws `parameter-not-valid`. */
export function readNext(text: string): PageStart {
  const parsed = text.length > lengthMax ? undefined : startShape.safeParse(parsedText(text));
  if (parsed?.success !== true) throw basiqError("parameter-not-valid", { parameter: "next" });
  const [offset, limit, filter] = parsed.data;
  return { offset, limit, filter };
}

function parsedText(text: string): unknown {
  try {
    return JSON.parse(Buffer.from(text, "base64url").toString("utf8"));
  } catch {
    return undefined;
  }
}
