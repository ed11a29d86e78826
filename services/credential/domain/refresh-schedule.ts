const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;
const refreshAheadMsMax = 12 * hourMs;
const refreshAheadShare = 0.2;
// Banks give a new credential when under 30 days remain; asked a day later, they are sure to agree that it is time.
const credentialRenewalAheadMs = 29 * dayMs;
const credentialRetryMs = dayMs;
// An answer that was lost on the way can be asked for again while the bank still honours the old token, some 30 seconds.
const firstRetryMs = 5_000;
const retryMsMax = hourMs;

const providerDownMs = 30_000;
const firstMisconfiguredMs = 15 * minuteMs;
const misconfiguredMsMax = 6 * hourMs;

/** Why a refresh ended without new tokens; each has a schedule of its own. */
export type RefreshFailure =
  /** The consent has ended: nobody but its user can help, so it is not tried again. */
  | "reauth_required"
  /** Worth another try soon. */
  | "transient"
  /** The provider answers nobody; it is found out by probes, not by every connection. */
  | "provider_down"
  /** The provider refuses us, or is not set up here: an operator has to act. */
  | "misconfigured";

/** An access token this close to its end is refreshed before it is used, milliseconds: it must outlive the call. */
export const accessTokenLeewayMs = 30_000;

/** Facts of a stored grant that decide when it is refreshed next. */
export interface RefreshFacts {
  readonly now: Date;
  /** When the access token was stored; its life is counted from here. */
  readonly storedAt: Date;
  readonly accessTokenExpiresAt: Date | undefined;
  readonly credentialExpiresAt: Date | undefined;
  readonly hasRefreshToken: boolean;
}

/**
 * When a connection is to be refreshed next: at the access token's expiry minus the smaller of 12 hours and 20 % of its life, or
 * when the wallet credential comes up for renewal, whichever is first. Undefined without a refresh token.
 */
export function refreshDueAt(facts: RefreshFacts): Date | undefined {
  if (!facts.hasRefreshToken) return undefined;
  const dues = [accessTokenDue(facts), credentialDue(facts)].filter((due) => due !== undefined);
  return dues.length === 0 ? undefined : new Date(Math.min(...dues));
}

/**
 * When to try again after the given number of failures in a row (1 or more): 5 s doubled each time, at most an hour, and no sooner than
 * in `askedToWaitMs`.
 */
export function retryAt(now: Date, failures: number, askedToWaitMs = 0): Date {
  const backOffMs = Math.min(firstRetryMs * 2 ** Math.min(failures - 1, 20), retryMsMax);
  return new Date(now.getTime() + Math.max(backOffMs, askedToWaitMs));
}

/** What a refresh that ended without new tokens does to the schedule. */
export interface Postponement {
  /** Undefined: never by itself. */
  readonly dueAt: Date | undefined;
  /** Failures in a row from now on. */
  readonly failures: number;
}

/**
 * When to try again after a failure; `failures` are those in a row before it, `share` (0 to 1) spreads connections that failed at one
 * moment. A provider that is down is not the connection's fault: its own count stays, and it is tried half a minute to a minute later.
 */
export function postpone(
  failure: RefreshFailure,
  facts: { now: Date; failures: number; share: number; retryAfterMs?: number | undefined },
): Postponement {
  const { now } = facts;
  const failures = facts.failures + 1;
  switch (failure) {
    case "reauth_required":
      return { dueAt: undefined, failures };
    case "transient":
      return { dueAt: retryAt(now, failures, facts.retryAfterMs), failures };
    case "provider_down":
      return { dueAt: new Date(now.getTime() + providerDownMs * (1 + facts.share)), failures: facts.failures };
    case "misconfigured": {
      const waitMs = Math.min(firstMisconfiguredMs * 2 ** Math.min(failures - 1, 20), misconfiguredMsMax);
      return { dueAt: new Date(now.getTime() + waitMs), failures };
    }
    default: {
      const impossible: never = failure;
      throw new Error(`unreachable failure ${String(impossible)}`);
    }
  }
}

/** Whether the access token has to be refreshed before it can be used. Without a known end it is used until refused. */
export function needsRefresh(accessTokenExpiresAt: Date | undefined, now: Date): boolean {
  return accessTokenExpiresAt !== undefined && accessTokenExpiresAt.getTime() - now.getTime() <= accessTokenLeewayMs;
}

function accessTokenDue({ storedAt, accessTokenExpiresAt }: RefreshFacts): number | undefined {
  if (accessTokenExpiresAt === undefined) return undefined;
  const lifeMs = Math.max(0, accessTokenExpiresAt.getTime() - storedAt.getTime());
  return accessTokenExpiresAt.getTime() - Math.min(refreshAheadMsMax, lifeMs * refreshAheadShare);
}

function credentialDue({ now, credentialExpiresAt }: RefreshFacts): number | undefined {
  if (credentialExpiresAt === undefined || credentialExpiresAt <= now) return undefined;
  const due = credentialExpiresAt.getTime() - credentialRenewalAheadMs;
  // A bank that kept the old one is asked again tomorrow, not at once.
  return due > now.getTime() ? due : now.getTime() + credentialRetryMs;
}
