import type { Transaction } from "../../platform/db/transaction.ts";
import { inTransaction } from "../../platform/db/transaction.ts";
import { DomainError } from "../../platform/errors/domain-error.ts";
import { isUuid } from "../../platform/ids/uuidv7.ts";
import { addJob } from "../../platform/jobs/worker.ts";
import type { OutgoingCall } from "../clients/credential-connections.ts";
import { ensureDefaultCard, lockUser, removeCardsOfEnrolment } from "../storage/cards-store.ts";
import { beginRemoval, type Enrolment, findEnrolment, finishRemoval } from "../storage/enrolments-store.ts";
import type { WalletTables } from "../storage/tables.ts";
import type { WalletDeps } from "./wallet-deps.ts";

/** The job that ends a connection at its bank until the bank has confirmed; payload `{userId, enrolmentId}`. */
export const finishRemovalTask = "finish_enrolment_removal";

/** The job's first run waits for the call that removes to do it at once; later ones follow the queue's back-off. */
const firstRunDelayMs = 20_000;
/** With the queue's exponential back-off, some five days. */
const attemptsMax = 30;
const disconnectTimeoutMs = 10_000;

/**
 * Removes an enrolment: its cards leave the wallet at once, the bank is asked to revoke, again in the background while it
 * does not answer. A repeat succeeds with no cards left to remove. Throws `NOT_FOUND` for an unknown or another user's.
 */
export async function removeEnrolment(
  deps: WalletDeps,
  by: { readonly userId: string; readonly enrolmentId: string },
  call: OutgoingCall,
): Promise<{ readonly deletedCards: number }> {
  if (!isUuid(by.enrolmentId)) throw new DomainError("NOT_FOUND");
  const removal = await inTransaction(deps.db, async (tx) => {
    await lockUser(tx, by.userId);
    return await beginEnrolmentRemoval(deps, tx, by);
  });
  if (removal === undefined) {
    if ((await findEnrolment(deps.db.query, by.userId, by.enrolmentId)) === undefined)
      throw new DomainError("NOT_FOUND");
    return { deletedCards: 0 };
  }
  await finishEnrolmentRemoval(deps, by, {
    ...call,
    timeoutMs: Math.min(disconnectTimeoutMs, call.timeoutMs - 1_000),
  }).catch((cause: unknown) => {
    deps.log.warn({ err: cause, enrolmentId: by.enrolmentId }, "bank not told of a removal yet");
  });
  return { deletedCards: removal.deletedCards };
}

/** The stored half of a removal, with its job; undefined when the user has no such live enrolment. */
export async function beginEnrolmentRemoval(
  deps: Pick<WalletDeps, "clock">,
  tx: Transaction<WalletTables>,
  by: { readonly userId: string; readonly enrolmentId: string },
): Promise<{ readonly enrolment: Enrolment; readonly deletedCards: number } | undefined> {
  const now = deps.clock.now();
  const enrolment = await beginRemoval(tx, { ...by, now });
  if (enrolment === undefined) return undefined;
  const deletedCards = await removeCardsOfEnrolment(tx, { ...by, now });
  await ensureDefaultCard(tx, { userId: by.userId, preferredCardId: undefined, now });
  await addJob(tx, finishRemovalTask, by, {
    jobKey: `${finishRemovalTask}:${by.enrolmentId}`,
    runAt: new Date(Date.now() + firstRunDelayMs), // on the queue's clock, which is the machine's
    maxAttempts: attemptsMax,
  });
  return { enrolment, deletedCards };
}

/** Ends the connection of an enrolment that is being removed. Resolves with whether the bank has confirmed. */
export async function finishEnrolmentRemoval(
  deps: WalletDeps,
  by: { readonly userId: string; readonly enrolmentId: string },
  call: OutgoingCall,
): Promise<boolean> {
  const enrolment = await findEnrolment(deps.db.query, by.userId, by.enrolmentId);
  if (enrolment?.state !== "removing") return true;
  const confirmed = await deps.credential.disconnect({ userId: by.userId, connectionId: enrolment.connectionId }, call);
  if (confirmed) await finishRemoval(deps.db.query, { ...by, now: deps.clock.now() });
  return confirmed;
}
