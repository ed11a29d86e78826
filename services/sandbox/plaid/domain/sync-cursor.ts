import { z } from "zod";

/** Where a reader of the changes stands. Change numbers of one item only grow. */
export interface SyncPosition {
  readonly itemId: string;
  /** Everything up to this change was read in earlier updates. */
  readonly base: bigint;
  /** While paging: the last change this update covers, and the last one already given. */
  readonly paging: { readonly head: bigint; readonly after: bigint } | undefined;
}

/** Longest cursor Plaid makes or takes. */
export const cursorLengthMax = 256;

const number = z.string().regex(/^\d{1,18}$/);
const shape = z.tuple([z.string().max(64), number, number.optional(), number.optional()]);

/** The position as an opaque text. */
export function writeCursor(position: SyncPosition): string {
  const parts = [position.itemId, position.base.toString()];
  if (position.paging) parts.push(position.paging.head.toString(), position.paging.after.toString());
  return Buffer.from(JSON.stringify(parts)).toString("base64url");
}

/** The position a cursor stands for; undefined for a text that no sandbox wrote. */
export function readCursor(text: string): SyncPosition | undefined {
  if (text.length > cursorLengthMax) return undefined;
  const parsed = shape.safeParse(parseJson(Buffer.from(text, "base64url").toString("utf8")));
  if (!parsed.success) return undefined;
  const [itemId, base, head, after] = parsed.data;
  const paging = head === undefined || after === undefined ? undefined : { head: BigInt(head), after: BigInt(after) };
  return { itemId, base: BigInt(base), paging };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
