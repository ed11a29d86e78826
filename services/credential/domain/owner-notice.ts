import type { Standing } from "./connection-state.ts";

/** What an owner is told of a connection. */
export type NoticeKind = NoticeOfChange | "misconfigured" | "consent_expiring";

/** What a change of standing can mean to him. */
type NoticeOfChange = "reauthorization_required" | "provider_down" | "recovered" | "consent_revoked";

/** What a change of standing means to the owner; undefined when there is nothing to tell: disconnecting is his own act. */
export function noticeOf(before: Standing, after: Standing): NoticeOfChange | undefined {
  if (before.state === after.state) return undefined;
  switch (after.state) {
    case "EXPIRED":
      return "reauthorization_required";
    case "ERROR":
      return "provider_down";
    case "ACTIVE":
      return "recovered";
    case "REVOKED":
      return after.reason === "revoked_at_provider" ? "consent_revoked" : undefined;
    default: {
      const impossible: never = after.state;
      throw new Error(`unreachable state ${String(impossible)}`);
    }
  }
}
