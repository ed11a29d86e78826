import type { Money } from "../../../gen/es/paymesh/type/v1/money_pb.js";
import { DomainError } from "../../platform/errors/domain-error.ts";
import { isUuid } from "../../platform/ids/uuidv7.ts";
import { amountMinorMax } from "../../platform/money/amount.ts";
import { parseCurrency } from "../../platform/money/currency.ts";
import type { CallContext } from "../../platform/rpc/call-context.ts";
import { principalKey } from "../../platform/rpc/principal.ts";
import type { ConnectionKey, Owner } from "../domain/connection.ts";
import type { Caller } from "../flows/dependencies.ts";
import type { NeedingUserCursor } from "../storage/connection-store.ts";

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

/** Page size and cursor of an operator's list. Throws `INVALID_ARGUMENT` for a token that was not made here. */
export function pageOf(request: { pageSize: number; pageToken: string }): {
  limit: number;
  after: NeedingUserCursor | undefined;
} {
  if (request.pageSize < 0) throw new DomainError("INVALID_ARGUMENT", { why: "pageSize must not be negative" });
  const limit = Math.min(request.pageSize || pageSizeDefault, pageSizeMax);
  if (request.pageToken === "") return { limit, after: undefined };
  const [time = "", connectionId = ""] = Buffer.from(request.pageToken.slice(0, 200), "base64url")
    .toString()
    .split(" ");
  const since = new Date(time);
  if (Number.isNaN(since.getTime()) || !isUuid(connectionId)) {
    throw new DomainError("INVALID_ARGUMENT", { why: "pageToken is not valid" });
  }
  return { limit, after: { since, connectionId } };
}

/** The token of the page after this row. */
export function pageTokenAfter(cursor: NeedingUserCursor): string {
  return Buffer.from(`${cursor.since.toISOString()} ${cursor.connectionId}`).toString("base64url");
}
