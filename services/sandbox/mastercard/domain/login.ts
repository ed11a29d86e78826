import type { AccountKind } from "../../kit/domain/household.ts";

/** A customer's login at an institution, as authorized through Connect. */
export interface InstitutionLogin {
  readonly loginId: bigint;
  readonly customerId: bigint;
  readonly institutionId: bigint;
  readonly username: string;
  /** Only OAuth logins have authorization details. */
  readonly oauth: boolean;
  readonly authorizedAt: Date;
  readonly authorizationEndsAt: Date | null;
  /** 0, or the aggregation status code that tells what its person has to do. */
  readonly statusCode: number;
}

/** An account of a login. Times are true times of the sandbox's clock. */
export interface Account {
  readonly accountId: bigint;
  readonly login: InstitutionLogin;
  readonly kind: AccountKind;
  readonly createdAt: Date;
  readonly historyDays: number;
  /** Null until the first aggregation. */
  readonly statusCode: number | null;
  /** What is told of the account is as of this time; null until the first aggregation. */
  readonly aggregatedAt: Date | null;
  readonly attemptedAt: Date | null;
}

/** Aggregation status codes of this sandbox's own making; others are set by the control API. */
export const statusCodes = Object.freeze({ ok: 0, consentRevoked: 946, authorizationEnded: 947 });

/** Days before an authorization's end at which subscribers are told. */
export const expiryNoticeDays = 7;
