import { DomainError } from "../../platform/errors/domain-error.ts";
import { isUuid } from "../../platform/ids/uuidv7.ts";

const pageSizeDefault = 50;
const pageSizeMax = 200;

/** The number of rows a list gives: 1 to 200, 50 when the request names none. */
export function pageSizeOf(asked: number): number {
  return asked <= 0 ? pageSizeDefault : Math.min(asked, pageSizeMax);
}

/** Writes where a list goes on: a time and the ids that break ties. Opaque to callers, and no secret. */
export function writePageToken(at: Date, ids: readonly string[]): string {
  return Buffer.from(JSON.stringify([at.getTime(), ...ids]), "utf8").toString("base64url");
}

/** Reads a token made by `writePageToken` with this many ids; undefined for an empty one. Throws `INVALID_ARGUMENT`. */
export function readPageToken(
  token: string,
  idCount: number,
): { readonly at: Date; readonly ids: readonly string[] } | undefined {
  if (token === "") return undefined;
  const parts = partsOf(token);
  const [at, ...ids] = parts;
  const texts = ids.filter((id) => typeof id === "string");
  const isTime = typeof at === "number" && at >= 0 && at <= 8e15;
  // PostgreSQL takes no NUL in a text.
  const areIds = texts.length === idCount && ids.length === idCount && !texts.some((id) => id.includes("\0"));
  if (!isTime || !areIds) throw new DomainError("INVALID_ARGUMENT", { why: "pageToken is not one this list gave" });
  return { at: new Date(at), ids: texts };
}

function partsOf(token: string): readonly unknown[] {
  try {
    const parts: unknown = JSON.parse(Buffer.from(token.slice(0, 1_000), "base64url").toString("utf8"));
    return Array.isArray(parts) ? parts : [];
  } catch {
    return [];
  }
}

/** An id of a page token that has to be a UUID, or no database could compare it. Throws `INVALID_ARGUMENT`. */
export function checkedUuid(text: string | undefined): string {
  if (text === undefined || !isUuid(text)) {
    throw new DomainError("INVALID_ARGUMENT", { why: "pageToken is not one this list gave" });
  }
  return text;
}
