import { createHash } from "node:crypto";
import type { Database } from "../db/open-database.ts";
import { leaseFromWindow, sweepWindows } from "./rate-limit-store.ts";

const leasesHeldMax = 10_000;
const sweepEveryMs = 60_000;
const chunkMax = 1_000;

/** One use of something limited. */
export interface TakeRequest {
  /** What is limited: `signin_code`. A service's classes share one table. */
  readonly class: string;
  /** Who: an address, an account, a key. Hashed before it is stored. */
  readonly key: string;
  /** Uses in one window, over all replicas. */
  readonly limit: number;
  readonly windowSeconds: number;
  /**
   * How many uses a replica fetches at a time, 1 when absent: exact, a statement for each. A hot class takes more and
   * asks the database once for that many; uses left on a replica when the window ends or it dies are lost to the others.
   */
  readonly chunk?: number;
}

/** Whether the use is within the limit. */
export interface TakeResult {
  readonly allowed: boolean;
  /** Until the window ends, at least 1; 0 when allowed. */
  readonly retryAfterSeconds: number;
}

/** Counts uses in fixed windows of the database's clock, so that replicas with other clocks agree. */
export interface RateLimiter {
  /** Never allows more than `limit` uses of a key in one window over all replicas. Rejects when the database does. */
  take(request: TakeRequest): Promise<TakeResult>;
}

interface Lease {
  left: number;
  /** On `performance.now()`: comparing against the database's clock would add the clocks' difference. */
  endsAtMs: number;
  exhausted: boolean;
  waiting: number;
  fetching: Promise<void> | undefined;
}

/** A limiter over `rate_limit_windows`, the table of `rate-limit-tables.sql` that the service's own migrations include. */
export function createRateLimiter(options: { readonly db: Pick<Database<never>, "pool"> }): RateLimiter {
  const leases = new Map<string, Lease>();
  let sweptAtMs = performance.now();

  async function take(request: TakeRequest): Promise<TakeResult> {
    checkRequest(request);
    sweepSometimes();
    const id = `${request.class}\0${request.windowSeconds}\0${request.limit}\0${request.key}`;
    const lease = leases.get(id) ?? remember(id);
    for (;;) {
      const now = performance.now();
      if (now < lease.endsAtMs) {
        if (lease.left > 0) {
          lease.left -= 1;
          return { allowed: true, retryAfterSeconds: 0 };
        }
        if (lease.exhausted) return { allowed: false, retryAfterSeconds: secondsUntil(lease.endsAtMs, now) };
      }
      lease.waiting += 1;
      // One statement at a time for a key; it asks for as many uses as callers wait for.
      lease.fetching ??= fetchLease(lease, request).finally(() => {
        lease.fetching = undefined;
      });
      await lease.fetching.finally(() => {
        lease.waiting -= 1;
      });
    }
  }

  async function fetchLease(lease: Lease, request: TakeRequest): Promise<void> {
    // Callers that arrive in this turn are counted; the others find what is left or fetch again.
    await Promise.resolve();
    const wanted = Math.min(Math.max(request.chunk ?? 1, lease.waiting), request.limit, chunkMax);
    const keyHash = createHash("sha256").update(request.key).digest();
    const window = await leaseFromWindow(options.db.pool, { ...request, keyHash, wanted });
    lease.left = window.granted;
    lease.exhausted = window.granted < wanted;
    lease.endsAtMs = performance.now() + window.endsInMs;
  }

  function remember(id: string): Lease {
    if (leases.size >= leasesHeldMax) {
      // The oldest goes; its unused share stays counted, which errs on the strict side.
      const oldest = leases.keys().next().value;
      if (oldest !== undefined) leases.delete(oldest);
    }
    const lease: Lease = { left: 0, endsAtMs: 0, exhausted: false, waiting: 0, fetching: undefined };
    leases.set(id, lease);
    return lease;
  }

  function sweepSometimes(): void {
    const now = performance.now();
    if (now - sweptAtMs < sweepEveryMs) return;
    sweptAtMs = now;
    // Old rows only take space; the next sweep gets what a failed one left.
    void sweepWindows(options.db.pool).catch(() => undefined);
  }

  return { take };
}

function checkRequest(request: TakeRequest): void {
  for (const value of [request.limit, request.windowSeconds, request.chunk ?? 1]) {
    if (!Number.isInteger(value) || value < 1)
      throw new RangeError(`limit ${request.class}: ${value} must be 1 or more`);
  }
}

function secondsUntil(endsAtMs: number, nowMs: number): number {
  return Math.max(1, Math.ceil((endsAtMs - nowMs) / 1000));
}
