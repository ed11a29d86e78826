import { DomainError } from "../../platform/errors/domain-error.ts";

const pageSizeMax = 200;
const tokenLengthMax = 400;

/** Where a page begins (after which id) and how long it may be. */
export interface PageRequest {
  readonly after: string;
  readonly limit: number;
}

/**
 * Reads the paging members of a request; sizes above 200 count as 200.
 * @throws DomainError INVALID_ARGUMENT for a negative size or a token that was not made here.
 */
export function readPage(request: { pageSize: number; pageToken: string }, sizeOtherwise = 50): PageRequest {
  if (request.pageSize < 0) throw new DomainError("INVALID_ARGUMENT", { why: "pageSize must not be negative" });
  return { after: readToken(request.pageToken), limit: Math.min(request.pageSize || sizeOtherwise, pageSizeMax) };
}

function pageTokenAfter(lastId: string): string {
  return Buffer.from(`1:${lastId}`).toString("base64url");
}

function readToken(token: string): string {
  if (token === "") return "";
  const text = token.length > tokenLengthMax ? "" : Buffer.from(token, "base64url").toString("utf8");
  if (!text.startsWith("1:")) throw new DomainError("INVALID_ARGUMENT", { why: "pageToken is not valid" });
  return text.slice(2);
}

/** Half of the transport's message limit (256 KiB), since JSON only estimates a row's size on the wire. */
const pageBytesMax = 128 * 1024;

/**
 * Of rows read with one more than `limit`, those of this page and the token of the next, empty on the last. A page ends
 * early, but never empty, where its rows written `copies` times would come near the largest message.
 */
export function cutPage<Row extends { readonly id: string }>(
  rows: readonly Row[],
  limit: number,
  copies = 1,
): { rows: readonly Row[]; nextPageToken: string } {
  let bytes = 0;
  const tooMany = rows.findIndex((row, index) => {
    bytes += copies * Buffer.byteLength(JSON.stringify(row, writeBigint));
    return index >= limit || (index > 0 && bytes > pageBytesMax);
  });
  const page = tooMany === -1 ? rows : rows.slice(0, tooMany);
  const last = page.at(-1);
  return { rows: page, nextPageToken: tooMany !== -1 && last ? pageTokenAfter(last.id) : "" };
}

function writeBigint(_name: string, value: unknown): unknown {
  return typeof value === "bigint" ? value.toString() : value;
}
