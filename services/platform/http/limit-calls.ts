import type { FastifyRequest } from "fastify";
import { DomainError } from "../errors/domain-error.ts";
import type { RateLimiter } from "../limits/rate-limiter.ts";

const windowSeconds = 60;
/** A replica fetches so many uses at a time where the limit is far above that; a low limit is counted one by one. */
const chunkMax = 50;
const chunkShare = 100;

/** What a route counts. */
export interface CallLimit {
  /** Names the routes that share a count. */
  readonly class: string;
  /** Calls from one network address in a minute, over all replicas. */
  readonly perMinute: number;
}

/** An `onRequest` hook that counts each call against its caller's address. Throws `RATE_LIMITED` with `retryAfterSeconds`. */
export function limitCalls(limiter: RateLimiter, limit: CallLimit): (request: FastifyRequest) => Promise<void> {
  const chunk = Math.max(1, Math.min(chunkMax, Math.floor(limit.perMinute / chunkShare)));
  return async (request) => {
    const { allowed, retryAfterSeconds } = await limiter.take({
      class: limit.class,
      key: request.clientAddress,
      limit: limit.perMinute,
      windowSeconds,
      chunk,
    });
    if (!allowed) throw new DomainError("RATE_LIMITED", { retryAfterSeconds });
  };
}
