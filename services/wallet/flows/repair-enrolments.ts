import { inTransaction } from "../../platform/db/transaction.ts";
import type { Connection, OutgoingCall } from "../clients/credential-connections.ts";
import { type EnrolmentAttempt, endAttempt, expireAttempts, takeStuckAttempts } from "../storage/attempts-store.ts";
import { findLiveEnrolment } from "../storage/enrolments-store.ts";
import { findUserById } from "../storage/users-store.ts";
import { readSharedCards } from "./read-shared-cards.ts";
import { queueDrop, storeConsent } from "./store-consent.ts";
import type { WalletDeps } from "./wallet-deps.ts";

/** Longer than the exchange may take, so that nobody who is still at work is overtaken. */
export const stuckAfterMs = 60_000;
/** After this an exchange that left no trace has not happened. */
const givenUpAfterMs = 5 * 60_000;
/** Between this clock and that of the connections' holder. Taking a refresh for a consent only lists the cards again. */
const clockSkewMs = 30_000;
const batchMax = 20;
const expireBatchMax = 500;
const callTimeoutMs = 10_000;

/**
 * Completes attempts whose process died, or lost the answer, between the exchange and the stored enrolment; ends those
 * whose exchange left nothing; expires those never finished. Safe on several replicas at once.
 */
export async function repairEnrolments(deps: WalletDeps, signal: AbortSignal): Promise<void> {
  const now = deps.clock.now();
  await expireAttempts(deps.db.query, now, expireBatchMax);
  const before = new Date(now.getTime() - stuckAfterMs);
  const stuck = await takeStuckAttempts(deps.db.query, { before, now, limit: batchMax });
  for (const attempt of stuck) {
    if (signal.aborted) return;
    await repairOne(deps, attempt, { timeoutMs: callTimeoutMs, signal }).catch((cause: unknown) => {
      deps.log.warn({ err: cause, bankId: attempt.bsimId }, "enrolment not repaired yet");
    });
  }
}

async function repairOne(deps: WalletDeps, attempt: EnrolmentAttempt, call: OutgoingCall): Promise<void> {
  const { userId, attemptId, bsimId } = attempt;
  const connections = (await deps.credential.listConnections(userId, call)).filter((one) => one.bsimId === bsimId);
  if (attempt.newAccount && (await findUserById(deps.db.query, userId)) === undefined) {
    // The address came with the lost answer, so there is no account to give the connection to.
    return await abandon(deps, attempt, connections);
  }
  const live = await findLiveEnrolment(deps.db.query, userId, bsimId);
  const changedSince = new Date(attempt.startedAt.getTime() - clockSkewMs);
  const made = connections.find(
    (one) => one.state === "ACTIVE" && (one.connectionId !== live?.connectionId || one.updatedAt >= changedSince),
  );
  if (made !== undefined) {
    const cards = await readSharedCards(deps, { userId, connection: made }, call);
    await storeConsent(deps, { attempt, connection: made, cards });
    deps.log.info({ bankId: bsimId, cardCount: cards?.length ?? 0 }, "enrolment completed after an interruption");
    return;
  }
  const now = deps.clock.now();
  if (now.getTime() > attempt.expiresAt.getTime() + givenUpAfterMs) {
    await endAttempt(deps.db.query, { userId, attemptId, failure: "callback_failed", now });
  }
}

async function abandon(deps: WalletDeps, attempt: EnrolmentAttempt, connections: Connection[]): Promise<void> {
  const { userId, attemptId } = attempt;
  await inTransaction(deps.db, async (tx) => {
    await endAttempt(tx, { userId, attemptId, failure: "callback_failed", now: deps.clock.now() });
    for (const { connectionId, state } of connections) {
      if (state !== "REVOKED") await queueDrop(tx, { userId, connectionId });
    }
  });
}
