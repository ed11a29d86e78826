import { interchangeMinor } from "./interchange.ts";

/** States of a card authorization. DECLINED is given at birth; CAPTURED keeps its refunded sum beside it. */
export type AuthorizationState = "PENDING" | "CAPTURED" | "VOIDED" | "EXPIRED" | "DECLINED";

/** What can happen to an authorization after it was answered. */
export type AuthorizationAct = "capture" | "void" | "expire" | "refund";

/** Life of a hold: seven days from its approval. */
export const authorizationLifeMs = 168 * 3_600_000;

/** State and act to next state; what is not listed is refused. Storage repeats the expected state in its `where`. */
export const authorizationTransitions: Readonly<
  Record<AuthorizationState, Readonly<Partial<Record<AuthorizationAct, AuthorizationState>>>>
> = Object.freeze({
  PENDING: { capture: "CAPTURED", void: "VOIDED", expire: "EXPIRED" },
  CAPTURED: { refund: "CAPTURED" },
  VOIDED: {},
  EXPIRED: {},
  DECLINED: {},
});

/** The part of an authorization that decisions need. Amounts in minor units of its currency. */
export interface Authorization {
  readonly state: AuthorizationState;
  readonly amountMinor: bigint;
  readonly capturedMinor: bigint;
  readonly refundedMinor: bigint;
  readonly expiresAt: Date;
}

/** What an act does, or why it is refused. `refusal` is the text callers of the payment network compare. */
export type ActDecision =
  | {
      readonly kind: "done";
      readonly next: Authorization;
      /** How much less is held on the card. */
      readonly releasedMinor: bigint;
      /** How much more the customer owes; negative for a refund. */
      readonly owedMinor: bigint;
      /** How much more interchange the bank has earned; negative for a refund. */
      readonly interchangeMinor: bigint;
    }
  /** The hold ran out before the act came: it is booked as expired and the act refused. */
  | { readonly kind: "lapsed"; readonly next: Authorization; readonly releasedMinor: bigint; readonly refusal: string }
  | { readonly kind: "refused"; readonly refusal: string };

/** Texts of `error` on capture, void and refund. */
export const refusals = Object.freeze({
  notFound: "Authorization not found",
  expired: "Authorization expired",
  notCaptured: "Can only refund captured payments",
  nothingLeft: "Nothing to refund",
  overAuthorized: "Amount exceeds authorization",
  overCaptured: "Amount exceeds captured amount",
});

/** Whether a hold counts no more at this moment, booked or not. The end itself is outside. */
export function isLapsed(authorization: Authorization, now: Date): boolean {
  return authorization.state === "PENDING" && authorization.expiresAt.getTime() <= now.getTime();
}

/** Captures up to the authorized amount, once; what is not captured is released. */
export function decideCapture(authorization: Authorization, amountMinor: bigint, now: Date): ActDecision {
  const refused = refuseOrLapse(authorization, "capture", now);
  if (refused !== undefined) return refused;
  if (amountMinor > authorization.amountMinor) return { kind: "refused", refusal: refusals.overAuthorized };
  return {
    kind: "done",
    next: { ...authorization, state: "CAPTURED", capturedMinor: amountMinor },
    releasedMinor: authorization.amountMinor,
    owedMinor: amountMinor,
    interchangeMinor: interchangeMinor(amountMinor),
  };
}

/** Releases the whole hold. */
export function decideVoid(authorization: Authorization, now: Date): ActDecision {
  const refused = refuseOrLapse(authorization, "void", now);
  if (refused !== undefined) return refused;
  return {
    kind: "done",
    next: { ...authorization, state: "VOIDED" },
    releasedMinor: authorization.amountMinor,
    owedMinor: 0n,
    interchangeMinor: 0n,
  };
}

/** Gives back part or all of what was captured; the sum of refunds never passes it. */
export function decideRefund(authorization: Authorization, amountMinor: bigint): ActDecision {
  if (authorizationTransitions[authorization.state].refund === undefined) {
    return { kind: "refused", refusal: refusals.notCaptured };
  }
  const leftMinor = authorization.capturedMinor - authorization.refundedMinor;
  if (leftMinor === 0n) return { kind: "refused", refusal: refusals.nothingLeft };
  if (amountMinor > leftMinor) return { kind: "refused", refusal: refusals.overCaptured };
  return {
    kind: "done",
    next: { ...authorization, refundedMinor: authorization.refundedMinor + amountMinor },
    releasedMinor: 0n,
    owedMinor: -amountMinor,
    // What the bank keeps is always the interchange of what stays captured, however it was refunded in parts.
    interchangeMinor: interchangeMinor(leftMinor - amountMinor) - interchangeMinor(leftMinor),
  };
}

/** Books a hold whose time is over; undefined when it is not over or not pending. */
export function decideExpiry(authorization: Authorization, now: Date): Authorization | undefined {
  return isLapsed(authorization, now) ? { ...authorization, state: "EXPIRED" } : undefined;
}

function refuseOrLapse(authorization: Authorization, act: "capture" | "void", now: Date): ActDecision | undefined {
  // To the payment network a declined authorization does not exist: it was never given a code.
  if (authorization.state === "DECLINED") return { kind: "refused", refusal: refusals.notFound };
  if (authorizationTransitions[authorization.state][act] === undefined) {
    return { kind: "refused", refusal: `Authorization is ${authorization.state.toLowerCase()}` };
  }
  const expired = decideExpiry(authorization, now);
  if (expired === undefined) return undefined;
  return { kind: "lapsed", next: expired, releasedMinor: authorization.amountMinor, refusal: refusals.expired };
}
