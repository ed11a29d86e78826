/** How long a person may take at the bank. */
export const attemptLifetimeMs = 10 * 60_000;

/** Why a connection needs its user; stored with the enrolment, shown as `reauthRequired` and `action: reenroll`. */
export type ReauthReason =
  | "missing_access_token"
  | "missing_credential"
  | "refresh_refused"
  | "revoked"
  | "expired"
  | "connection_lost";

/** What is known of a connection without its secrets. */
export interface ConnectionFacts {
  /** `ACTIVE`, `EXPIRED`, `REVOKED` or `ERROR`. */
  readonly state: string;
  readonly hasAccessToken: boolean;
  readonly hasCredential: boolean;
  readonly credentialExpiresAt: Date | undefined;
}

/**
 * Why the user has to consent again, or undefined while the connection serves. `ERROR` is an outage and never a reason:
 * asking the user to enrol again would not end it.
 */
export function reauthReasonOf(connection: ConnectionFacts, now: Date): ReauthReason | undefined {
  if (connection.state === "REVOKED") return "revoked";
  if (connection.state === "EXPIRED") return "expired";
  if (!connection.hasAccessToken) return "missing_access_token";
  if (!connection.hasCredential) return "missing_credential";
  if (connection.credentialExpiresAt !== undefined && connection.credentialExpiresAt <= now) return "expired";
  return undefined;
}

export type AttemptState = "started" | "exchanging" | "completed" | "expired" | "failed";
export type EnrolmentState = "active" | "reauth_required" | "removing" | "removed";

/** Where each state may go; whatever is not listed is refused by the statement that would do it. */
export const attemptTransitions: Readonly<Record<AttemptState, readonly AttemptState[]>> = Object.freeze({
  started: ["exchanging", "expired", "failed"],
  exchanging: ["completed", "failed"],
  completed: [],
  expired: [],
  failed: [],
});

export const enrolmentTransitions: Readonly<Record<EnrolmentState, readonly EnrolmentState[]>> = Object.freeze({
  active: ["reauth_required", "removing"],
  reauth_required: ["active", "removing"],
  removing: ["removed"],
  removed: [],
});
