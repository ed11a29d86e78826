import { DomainError } from "../../platform/errors/domain-error.ts";
import type { CallContext } from "../../platform/rpc/call-context.ts";
import type { OutgoingCall } from "../clients/credential-connections.ts";

/** The phone and person behind a call whose policy admits phones alone. */
export function phoneOf(ctx: CallContext): { readonly userId: string; readonly deviceId: string } {
  if (ctx.principal.kind !== "mobile_user") throw new DomainError("UNAUTHENTICATED");
  return ctx.principal;
}

/** The person behind a call from a phone or a browser. */
export function userIdOf(ctx: CallContext): string {
  const { principal } = ctx;
  if (principal.kind === "mobile_user" || principal.kind === "web_user") return principal.userId;
  throw new DomainError("UNAUTHENTICATED");
}

/** Deadline, signal and request id for what is called on behalf of this call. */
export function outgoing(ctx: CallContext): OutgoingCall {
  return { timeoutMs: ctx.timeoutMs(), signal: ctx.signal, requestId: ctx.requestId };
}

/**
 * Refuses what a page of another site makes a browser send. A cookie set in answer to that would put the person into a
 * session of somebody else's choice; SameSite guards sending cookies, not getting them.
 */
export function refuseOtherSites(ctx: Pick<CallContext, "header">): void {
  if (ctx.header("sec-fetch-site") === "cross-site") throw new DomainError("PERMISSION_DENIED");
}
