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

/** When to try again after the given number of failures in a row (1 or more): 5 s doubled each time, at most an hour. */
export function retryAt(now: Date, failures: number): Date {
  return new Date(now.getTime() + Math.min(firstRetryMs * 2 ** Math.min(failures - 1, 20), retryMsMax));
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
