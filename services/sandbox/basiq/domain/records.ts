import type { AccountKind } from "../../kit/domain/household.ts";
import type { JobStep } from "./job.ts";

/** Somebody an application made known to Basiq. */
export interface User {
  readonly userId: string;
  readonly email: string | null;
  readonly mobile: string | null;
  readonly firstName: string | null;
  readonly lastName: string | null;
}

/** A user's permission; one of a user is active at a time. */
export interface Consent {
  readonly consentId: string;
  readonly userId: string;
  readonly status: "active" | "expired" | "revoked";
  readonly createdAt: Date;
  readonly updatedAt: Date;
  readonly expiresAt: Date;
}

/** A login of a user at an institution. */
export interface Connection {
  readonly connectionId: string;
  readonly userId: string;
  readonly institutionId: string;
  readonly username: string;
  readonly accountKinds: readonly AccountKind[];
  readonly status: "pending" | "active" | "invalid";
  readonly createdAt: Date;
  readonly lastUsedAt: Date | null;
  /** When accounts, and when transactions, were fetched last; null before the first time. */
  readonly accountsAt: Date | null;
  readonly fetchedAt: Date | null;
  readonly refreshes: number;
}

/** Work on a connection. */
export interface Job {
  readonly jobId: string;
  readonly userId: string;
  readonly connectionId: string;
  readonly steps: readonly JobStep[];
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

/** A moment as callers see it, and the true one that schedules go by. */
export interface Instant {
  readonly now: Date;
  readonly trueNow: Date;
}
