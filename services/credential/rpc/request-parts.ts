import type { Money } from "../../../gen/es/paymesh/type/v1/money_pb.js";
import { DomainError } from "../../platform/errors/domain-error.ts";
import { isUuid } from "../../platform/ids/uuidv7.ts";
import { amountMinorMax } from "../../platform/money/amount.ts";
import { parseCurrency } from "../../platform/money/currency.ts";
import type { CallContext } from "../../platform/rpc/call-context.ts";
import { principalKey } from "../../platform/rpc/principal.ts";
import { firmTenant } from "../domain/client.ts";
import type { ConnectionKey, Owner } from "../domain/connection.ts";
import type { Caller } from "../flows/dependencies.ts";
import type { NeedingUserCursor } from "../storage/connection-store.ts";

/** The tenant of the wallet's people. */
export const walletTenant = "wallet";
const ownerLengthMax = 255;
const pageSizeDefault = 50;
const pageSizeMax = 200;

/** Who calls, for the audit and for every deadline below. */
export function callerOf(ctx: CallContext): Caller {
  const name = principalKey(ctx.principal, ctx.clientAddress);
  return {
    actor: { name, clientAddress: ctx.clientAddress, userAgent: ctx.userAgent },
    signal: ctx.signal,
    timeoutMs: () => ctx.timeoutMs(),
  };
}

/** The owner a caller names. Throws `INVALID_ARGUMENT` for one that cannot be stored or told apart. */
export function ownerOf(owner: { tenant: string; userId: string } | undefined): Owner {
  const parts = [owner?.tenant, owner?.userId];
  for (const part of parts) {
    if (
      part === undefined ||
      part === "" ||
      part.length > ownerLengthMax ||
      !part.isWellFormed() ||
      part.includes("\0")
    ) {
      throw new DomainError("INVALID_ARGUMENT", { why: "owner needs a tenant and a userId" });
    }
  }
  return { tenant: owner?.tenant ?? "", userId: owner?.userId ?? "" };
}

/** The connection a caller names. */
export function keyOf(request: {
  owner?: { tenant: string; userId: string } | undefined;
  connectionId: string;
}): ConnectionKey {
  return { owner: ownerOf(request.owner), connectionId: request.connectionId.toLowerCase() };
}

/** An amount to be paid. Throws `CURRENCY_INVALID` and `AMOUNT_INVALID`. */
export function amountOf(money: Money | undefined): { currency: string; amountMinor: bigint } {
  const currency = parseCurrency(money?.currency ?? "");
  const amountMinor = money?.minorUnits ?? 0n;
  if (amountMinor <= 0n) throw new DomainError("AMOUNT_INVALID", { why: "amount must be above zero" });
  if (amountMinor > amountMinorMax) throw new DomainError("AMOUNT_INVALID", { why: "amount is too large" });
  return { currency, amountMinor };
}

/** The owner behind a call whose policy admits phones alone: the person himself, whatever the request says. */
export function phoneOwner(ctx: CallContext): Owner {
  if (ctx.principal.kind !== "mobile_user") throw new DomainError("UNAUTHENTICATED");
  return { tenant: walletTenant, userId: ctx.principal.userId };
}

/** The tenant of the firm whose key proves the call; a field never says it. */
export function firmOf(ctx: CallContext): string {
  if (ctx.principal.kind !== "merchant") throw new DomainError("UNAUTHENTICATED");
  return firmTenant(ctx.principal.merchantId);
}

/** A connection of the calling person. */
export function userConnectionKey(ctx: CallContext, request: { connectionId: string }): ConnectionKey {
  return { owner: phoneOwner(ctx), connectionId: request.connectionId.toLowerCase() };
}

/** A bound of a span of time: a day or a time of ISO 8601; undefined when empty. Throws `INVALID_ARGUMENT`. */
export function timeOf(name: string, text: string): Date | undefined {
  if (text === "") return undefined;
  const isTime = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d))?$/.test(text);
  const time = new Date(isTime ? text : Number.NaN);
  if (Number.isNaN(time.getTime()))
    throw new DomainError("INVALID_ARGUMENT", { why: `${name} must be an ISO 8601 time` });
  return time;
}

/** Where a page begins: after the row of this time and id. */
export interface PageCursor {
  readonly at: Date;
  readonly id: string;
}

/** Page size and cursor of a list, newest first. Throws `INVALID_ARGUMENT` for a token that was not made here. */
export function readPage(request: { pageSize: number; pageToken: string }): {
  limit: number;
  after: PageCursor | undefined;
} {
  if (request.pageSize < 0) throw new DomainError("INVALID_ARGUMENT", { why: "pageSize must not be negative" });
  const limit = Math.min(request.pageSize || pageSizeDefault, pageSizeMax);
  if (request.pageToken === "") return { limit, after: undefined };
  const [time = "", ...rest] = Buffer.from(request.pageToken.slice(0, 600), "base64url").toString().split(" ");
  const [at, id] = [new Date(time), rest.join(" ")];
  if (Number.isNaN(at.getTime()) || id === "" || !id.isWellFormed() || id.includes("\0")) {
    throw new DomainError("INVALID_ARGUMENT", { why: "pageToken is not valid" });
  }
  return { limit, after: { at, id } };
}

/** The token of the page after the last row shown; empty when `rows` holds no more than were shown. */
export function tokenAfter<Row>(
  rows: readonly Row[],
  shown: readonly Row[],
  cursorOf: (row: Row) => PageCursor,
): string {
  const last = shown.at(-1);
  if (last === undefined || rows.length <= shown.length) return "";
  return pageTokenOf(cursorOf(last));
}

/** The token of the page after this row. */
export function pageTokenOf({ at, id }: PageCursor): string {
  return Buffer.from(`${at.toISOString()} ${id}`).toString("base64url");
}

/** `readPage` where rows are named by connection. Throws `INVALID_ARGUMENT` for a token that was not made here. */
export function pageOf(request: { pageSize: number; pageToken: string }): {
  limit: number;
  after: NeedingUserCursor | undefined;
} {
  const { limit, after } = readPage(request);
  if (after === undefined) return { limit, after };
  if (!isUuid(after.id)) throw new DomainError("INVALID_ARGUMENT", { why: "pageToken is not valid" });
  return { limit, after: { since: after.at, connectionId: after.id } };
}
