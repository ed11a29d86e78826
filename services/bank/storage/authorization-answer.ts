import type { AuthorizeDecision, AuthorizeRequest } from "../domain/authorize.ts";

/** One authorize request on its way into the database, ids already chosen. */
export interface PendingAuthorization {
  readonly id: string;
  /** Given to the network if approved. */
  readonly authorizationCode: string;
  readonly request: AuthorizeRequest;
  readonly merchantName: string | undefined;
  readonly orderId: string;
  readonly description: string | undefined;
  readonly idempotencyKey: string | undefined;
  /** SHA-256 of the request as understood: tells a replay from a key used for something else. */
  readonly requestHash: Buffer;
}

/** What the network is told; `conflict` when its key was used for another request. Amounts in minor units. */
export type AuthorizeAnswer =
  | { readonly kind: "approved"; readonly authorizationCode: string; readonly availableMinor: bigint }
  | { readonly kind: "declined"; readonly declineReason: string }
  | { readonly kind: "conflict" };

/** The members of a stored authorization that its first answer was made of. */
export interface AnsweredRow {
  readonly idempotency_key: string;
  readonly request_hash: Buffer | null;
  readonly authorization_code: string | null;
  readonly decline_reason: string | null;
  readonly available_after_minor: bigint | null;
}

/** The answer to a request decided just now. */
export function freshAnswer(pending: PendingAuthorization, decision: AuthorizeDecision): AuthorizeAnswer {
  if (decision.declineReason !== undefined) return { kind: "declined", declineReason: decision.declineReason };
  if (decision.availableMinor === undefined) throw new Error("an approval without available credit");
  return {
    kind: "approved",
    authorizationCode: pending.authorizationCode,
    availableMinor: decision.availableMinor,
  };
}

/** The first answer again, whatever became of the authorization since. A tombstone declines. */
export function replayedAnswer(pending: PendingAuthorization, row: AnsweredRow): AuthorizeAnswer {
  if (row.request_hash !== null && !row.request_hash.equals(pending.requestHash)) return { kind: "conflict" };
  if (row.decline_reason !== null) return { kind: "declined", declineReason: row.decline_reason };
  if (row.authorization_code === null || row.available_after_minor === null) {
    throw new Error("a stored approval without code or available credit");
  }
  return {
    kind: "approved",
    authorizationCode: row.authorization_code,
    availableMinor: row.available_after_minor,
  };
}
