import { randomUUID } from "node:crypto";
import { inTransaction } from "../../platform/db/transaction.ts";
import { DomainError } from "../../platform/errors/domain-error.ts";
import type { Grant } from "../connectors/connector.ts";
import { isTransient, ProviderError } from "../connectors/provider-error.ts";
import { jobActor } from "../domain/audit.ts";
import type { Connection } from "../domain/connection.ts";
import { attemptLifeMs } from "../flows/begin-connect.ts";
import { connectorOf, connectorsWithUsers, type Dependencies, detachedCall } from "../flows/dependencies.ts";
import { logProviderFailure } from "../flows/provider-failure.ts";
import { queueOrphan } from "../flows/revoke-orphan.ts";
import { revocationTimes } from "../flows/revoke-secrets.ts";
import {
  type AbandonedAttempt,
  deleteOldAttempts,
  findAbandonedAttempts,
  postponeAttempt,
  takeLeftAttempts,
} from "../storage/attempt-cleanup-store.ts";
import { type AttemptKey, finishAttempt } from "../storage/attempt-store.ts";
import { appendAudit } from "../storage/audit-store.ts";
import { listConnections } from "../storage/connection-store.ts";
import { insertRevocationOfAttempt } from "../storage/queue-revocation.ts";
import type { Tx } from "../storage/storage.ts";
import { userReference } from "../storage/user-reference.ts";

// Longer than any exchange with its retries of saving: what is older has lost its process.
const abandonedAfterMs = 90_000;
const keepMs = 86_400_000;
// By then no bank knows the code any more; what it had issued ends by itself.
const giveUpAfterMs = 86_400_000;
const batchSize = 20;
const leftBatchSize = 100;
const deleteBatchSize = 500;

/**
 * Cleans up after consents whose process died between the exchange and storing what it brought. The code is sent once more: a bank
 * that has seen it refuses and revokes what it had issued for it (RFC 6749, 4.1.2), and one that has not issues tokens that are
 * queued for revocation at once, since the user was told that the consent failed. A bank that does not answer is asked again for a
 * day. A user that a consent without end made at the provider is queued to be ended there. Old attempts are removed.
 */
export async function sweepAttempts(deps: Dependencies, signal: AbortSignal): Promise<number> {
  const now = deps.clock.now();
  const nowMs = now.getTime();
  const abandoned = await findAbandonedAttempts(deps.storage, new Date(nowMs - abandonedAfterMs), batchSize, now);
  for (const attempt of abandoned) {
    if (!signal.aborted) await cleanUp(deps, attempt);
  }
  const connectors = connectorsWithUsers(deps);
  const left = await inTransaction(deps.storage.db, async (tx) => {
    const taken = await takeLeftAttempts(tx, { connectors, now, limit: leftBatchSize });
    for (const attempt of taken) await queueProofs(deps, tx, attempt, now);
    return taken.length;
  });
  const before = new Date(nowMs - keepMs - attemptLifeMs);
  await deleteOldAttempts(deps.storage.db.query, { before, limit: deleteBatchSize, takenFor: connectors });
  return abandoned.length + left;
}

/** Has the provider forget whom the beginning of a consent made there. */
async function queueProofs(deps: Dependencies, tx: Tx, attempt: AttemptKey, now: Date): Promise<void> {
  const queued = { ...revocationTimes(now), revocationId: randomUUID(), cause: "orphaned" } as const;
  await insertRevocationOfAttempt(deps.storage, tx, attempt, queued);
}

async function cleanUp(deps: Dependencies, attempt: AbandonedAttempt): Promise<void> {
  // A bank may end the whole grant over a reused code; a working connection to it is worth more than an orphan that ends by itself.
  const connections = await listConnections(deps.storage.db.query, attempt.owner);
  const isRenewal = attempt.connectionId !== undefined;
  const isSame = (connection: Connection) =>
    connection.connector === attempt.connector && connection.institutionId === attempt.institutionId;
  // What a renewal brought may be what the connection lives by already.
  const isShared = isRenewal || connections.some(isSame);
  const startedMs = performance.now();
  let outcome = "left_to_expire";
  let grant: Grant | undefined;
  if (!isShared) {
    const replay = await replayCode(deps, attempt);
    const now = deps.clock.now();
    const isPointless = now.getTime() > attempt.createdAt.getTime() + giveUpAfterMs;
    // A bank that is down, or gone, must not keep the others' clean-up waiting.
    if (replay === "later" && !isPointless) return await postponeAttempt(deps.storage.db.query, attempt, now);
    outcome = replay === "later" ? "gave_up" : replay === "refused" ? "code_reused" : "revoked";
    if (typeof replay === "object") grant = replay;
  }
  const durationMs = performance.now() - startedMs;
  const now = deps.clock.now();
  const { owner, connector, institutionId } = attempt;
  await inTransaction(deps.storage.db, async (tx) => {
    if (!(await finishAttempt(tx, attempt, "cleaned"))) return;
    if (grant === undefined) {
      if (deps.connectors.get(connector)?.users !== undefined) await queueProofs(deps, tx, attempt, now);
    } else {
      const of = {
        owner,
        connectionId: attempt.attemptId,
        connector,
        institutionId,
        providerReference: grant.providerReference,
      };
      // An erasure takes the attempt along; then it could not have been finished.
      await queueOrphan(deps, tx, { of, tokens: grant, isErased: false, now });
    }
    await appendAudit(deps.storage, tx, { owner, actor: jobActor("attempts"), now }, [
      { action: "token_exchange", outcome, connector, institutionId, durationMs },
    ]);
  });
}

async function replayCode(deps: Dependencies, attempt: AbandonedAttempt): Promise<Grant | "refused" | "later"> {
  try {
    const { institutionId, redirectUri, code, proofs } = attempt;
    // The callback's own state and `iss` were checked when it came; the exchange is between the bank and us.
    const answer = { institutionId, redirectUri, state: attempt.attemptId, code, iss: undefined, proofs };
    const user = userReference(deps.storage, attempt.owner);
    return await connectorOf(deps, attempt).complete({ ...answer, userReference: user }, detachedCall(deps));
  } catch (error) {
    if (error instanceof ProviderError) {
      // A refusal is what the code is sent again for.
      if (!isTransient(error.failure)) return "refused";
      const { connector, institutionId } = attempt;
      logProviderFailure(deps, { connector, operation: "clean_up_consent", institutionId }, error);
      return "later";
    }
    if (error instanceof DomainError) return "later";
    throw error;
  }
}
