import { inTransaction } from "../../platform/db/transaction.ts";
import { DomainError } from "../../platform/errors/domain-error.ts";
import { uuidv7 } from "../../platform/ids/uuidv7.ts";
import { revokeDeviceSessions } from "../storage/device-sessions-store.ts";
import {
  extendDeviceSession,
  findRefreshToken,
  insertRefreshToken,
  markRefreshAnswered,
  noteBadRefresh,
  rotateRefreshToken,
  type StoredRefreshToken,
} from "../storage/refresh-tokens-store.ts";
import { type GrantedTokens, type MobileTokenSet, signTokenSet } from "./issue-mobile-tokens.ts";
import { type RefreshClaims, refreshTokenLifetimeMs } from "./mobile-tokens.ts";
import type { WalletDeps } from "./wallet-deps.ts";

// A loop repeats within milliseconds; an address may be shared by a whole office, so it is held the shortest.
const tokenRefusedMs = 10 * 60_000;
const addressRefusedMs = 10_000;
/** How long an answer that never left may still be fetched. */
const unansweredMs = 60_000;

type Outcome =
  | { readonly kind: "granted"; readonly granted: GrantedTokens; readonly usedJti: string }
  | { readonly kind: "bad"; readonly claims: RefreshClaims | undefined };

/** A refresh as it arrives. */
export interface RefreshRequest {
  readonly refreshToken: string;
  readonly clientAddress: string;
  /** Aborted when the caller has gone: its answer does not count as handed over. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Exchanges a refresh token for new tokens; it works once. A second use ends every sign-in of its phone, since one of the
 * two users is a thief.
 *
 * Two cases are told apart from that. Requests that overlap, and a repeat after this process died or the caller went away
 * before the answer was handed over, get the successor that was already made: one successor, however often. What the
 * network loses after that is a second use; the user signs in again.
 *
 * Throws `UNAUTHENTICATED` for the first bad refresh of a token, phone or address and `RATE_LIMITED` for the next, so that
 * an app that answers 401 with a refresh ends.
 */
export async function refreshMobileTokens(deps: WalletDeps, request: RefreshRequest): Promise<MobileTokenSet> {
  const receivedAt = deps.clock.now();
  const claims = await deps.tokens.verifyRefresh(request.refreshToken);
  const outcome: Outcome = claims === undefined ? { kind: "bad", claims } : await exchange(deps, claims, receivedAt);
  if (outcome.kind === "bad") return await refuse(deps, request, outcome.claims);
  const { granted, usedJti } = outcome;
  const tokens = await signTokenSet(deps.tokens, granted);
  if (request.signal?.aborted !== true) {
    await markRefreshAnswered(deps.db.query, { userId: granted.userId, jti: usedJti, now: deps.clock.now() });
  }
  return tokens;
}

async function exchange(deps: WalletDeps, claims: RefreshClaims, receivedAt: Date): Promise<Outcome> {
  const stored = await findRefreshToken(deps.db.query, claims);
  if (stored === undefined || stored.deviceId !== claims.deviceId || stored.sessionRevoked) {
    return { kind: "bad", claims };
  }
  if (stored.state === "active") {
    if (stored.expiresAt <= receivedAt) return { kind: "bad", claims };
    const granted = await rotate(deps, claims, stored);
    if (granted !== undefined) return { kind: "granted", granted, usedJti: claims.jti };
  }
  return await successorOrReuse(deps, claims, receivedAt);
}

async function rotate(
  deps: WalletDeps,
  claims: RefreshClaims,
  stored: StoredRefreshToken,
): Promise<GrantedTokens | undefined> {
  const now = deps.clock.now();
  const expiresAt = new Date(now.getTime() + refreshTokenLifetimeMs);
  const { userId, deviceId } = claims;
  const { sessionId } = stored;
  const granted: GrantedTokens = { userId, deviceId, sessionId, jti: uuidv7(now.getTime()), issuedAt: now, expiresAt };
  return await inTransaction(deps.db, async (tx) => {
    const used = { userId, jti: claims.jti, replacedBy: granted.jti, now };
    if (!(await rotateRefreshToken(tx, used))) return undefined;
    await insertRefreshToken(tx, { ...granted, now });
    await extendDeviceSession(tx, granted);
    return granted;
  });
}

async function successorOrReuse(deps: WalletDeps, claims: RefreshClaims, receivedAt: Date): Promise<Outcome> {
  const stored = await findRefreshToken(deps.db.query, claims);
  if (stored === undefined || stored.sessionRevoked) return { kind: "bad", claims };
  const { userId, deviceId } = claims;
  const { sessionId, replacedBy } = stored;
  if (replacedBy !== null && !wasHandedOver(stored, receivedAt)) {
    const successor = await findRefreshToken(deps.db.query, { userId, jti: replacedBy });
    if (successor?.state === "active" && !successor.sessionRevoked) {
      const { issuedAt, expiresAt } = successor;
      const granted = { userId, deviceId, sessionId, jti: replacedBy, issuedAt, expiresAt };
      return { kind: "granted", granted, usedJti: claims.jti };
    }
  }
  const now = deps.clock.now();
  const ended = await revokeDeviceSessions(deps.db.query, { userId, deviceId, reason: "token_reused", now });
  deps.log.warn({ userId, deviceId, count: ended }, "refresh token used twice; the phone's sign-ins ended");
  return { kind: "bad", claims };
}

/** Whether this request can only come from someone who had the chance to see the first answer. */
function wasHandedOver(stored: StoredRefreshToken, receivedAt: Date): boolean {
  if (stored.rotatedAt === null) return false;
  if (stored.answeredAt !== null) return receivedAt >= stored.answeredAt;
  return receivedAt.getTime() > stored.rotatedAt.getTime() + unansweredMs;
}

async function refuse(deps: WalletDeps, request: RefreshRequest, claims: RefreshClaims | undefined): Promise<never> {
  const now = deps.clock.now();
  const subject = (name: string, ms: number) => ({
    subjectHash: deps.hash("refused_refresh", name),
    until: new Date(now.getTime() + ms),
  });
  const subjects = [
    subject(`token:${request.refreshToken.slice(0, 4096)}`, tokenRefusedMs),
    subject(`address:${request.clientAddress}`, addressRefusedMs),
  ];
  if (claims !== undefined) subjects.push(subject(`device:${claims.userId}:${claims.deviceId}`, tokenRefusedMs));
  const repeated = await inTransaction(deps.db, (tx) => noteBadRefresh(tx, subjects, now));
  throw new DomainError(repeated ? "RATE_LIMITED" : "UNAUTHENTICATED");
}
