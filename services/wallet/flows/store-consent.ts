import type { Transaction } from "../../platform/db/transaction.ts";
import { inTransaction } from "../../platform/db/transaction.ts";
import { addJob } from "../../platform/jobs/worker.ts";
import type { Connection } from "../clients/credential-connections.ts";
import type { ListedCard } from "../domain/card-list.ts";
import { reauthReasonOf } from "../domain/enrolment-rules.ts";
import { type EnrolmentAttempt, endAttempt, lockExchangingAttempt } from "../storage/attempts-store.ts";
import { listActiveCards, lockUser } from "../storage/cards-store.ts";
import { findLiveEnrolment, insertEnrolment, releaseConnection, replaceConsent } from "../storage/enrolments-store.ts";
import type { WalletTables } from "../storage/tables.ts";
import { storeCards, syncCardsTask } from "./store-cards.ts";
import type { WalletDeps } from "./wallet-deps.ts";

/** The job that ends a connection no enrolment has (any more); payload `{userId, connectionId}`. */
export const dropConnectionTask = "drop_connection";

const dropAttemptsMax = 30;
const syncAttemptsMax = 25;

/** A consent that the bank has granted and the connection's holder has stored. */
export interface Consent {
  readonly attempt: EnrolmentAttempt;
  readonly connection: Connection;
  /** Undefined when the bank could not tell: cards known already stay, and a job asks again. */
  readonly cards: readonly ListedCard[] | undefined;
}

type ConsentDeps = Pick<WalletDeps, "clock" | "db">;

/** What was done before a consent is stored. */
export interface Preparation {
  /** Refuses the consent, with this word. */
  readonly failure?: string | undefined;
  /** The browser session that stands for the one the attempt began in. */
  readonly webSessionId?: string | undefined;
}

/**
 * Stores a consent: the enrolment new or replaced in place, its card list, and the attempt as completed, in one
 * transaction. `prepare` runs first in it and may refuse. A connection that thereby belongs to no
 * enrolment is ended by a job. Resolves with the number of the enrolment's cards, or the word of the failure.
 */
export async function storeConsent(
  deps: ConsentDeps,
  consent: Consent,
  prepare: (tx: Transaction<WalletTables>) => Promise<Preparation> = async () => ({}),
): Promise<{ readonly cardCount: number } | { readonly failure: string }> {
  const { attempt, connection } = consent;
  const { userId, attemptId } = attempt;
  return await inTransaction(deps.db, async (tx) => {
    const now = deps.clock.now();
    await lockUser(tx, userId);
    if (!(await lockExchangingAttempt(tx, { userId, attemptId }))) {
      await dropUnlessUsed(tx, consent);
      return { failure: "invalid_state" };
    }
    const prepared = await prepare(tx);
    const failure = prepared.failure ?? ((await lockUser(tx, userId)) ? undefined : "user_not_found");
    await endAttempt(tx, { userId, attemptId, failure, now });
    if (failure !== undefined) {
      await dropUnlessUsed(tx, consent);
      return { failure };
    }
    const enrolmentId = await storeEnrolment(deps, tx, consent, prepared.webSessionId ?? attempt.webSessionId);
    const { bsimId } = attempt;
    if (consent.cards !== undefined) await storeCards(deps, tx, { userId, enrolmentId, bsimId, cards: consent.cards });
    else if (connection.hasCredential) await queueCardSync(tx, { userId, enrolmentId });
    const cards = await listActiveCards(tx, userId);
    return { cardCount: cards.filter((card) => card.enrolmentId === enrolmentId).length };
  });
}

/** Adds the job that ends a connection, in the caller's transaction. */
export async function queueDrop(
  tx: Transaction<WalletTables>,
  connection: { readonly userId: string; readonly connectionId: string },
): Promise<void> {
  const { userId, connectionId } = connection;
  await addJob(tx, dropConnectionTask, { userId, connectionId }, { maxAttempts: dropAttemptsMax });
}

async function queueCardSync(
  tx: Transaction<WalletTables>,
  by: { readonly userId: string; readonly enrolmentId: string },
): Promise<void> {
  const jobKey = `${syncCardsTask}:${by.enrolmentId}`;
  await addJob(tx, syncCardsTask, by, { jobKey, maxAttempts: syncAttemptsMax });
}

async function dropUnlessUsed(tx: Transaction<WalletTables>, { attempt, connection }: Consent): Promise<void> {
  const live = await findLiveEnrolment(tx, attempt.userId, attempt.bsimId);
  if (live?.connectionId !== connection.connectionId) {
    await queueDrop(tx, { userId: attempt.userId, connectionId: connection.connectionId });
  }
}

async function storeEnrolment(
  deps: ConsentDeps,
  tx: Transaction<WalletTables>,
  consent: Consent,
  webSessionId: string | null,
): Promise<string> {
  const { attempt, connection } = consent;
  const { userId, bsimId } = attempt;
  const { connectionId } = connection;
  const now = deps.clock.now();
  const live = await findLiveEnrolment(tx, userId, bsimId);
  const facts = {
    userId,
    enrolmentId: live?.enrolmentId ?? attempt.attemptId,
    bsimId,
    connectionId,
    fiUserRef: connection.ownerReference,
    credentialExpiresAt: connection.credentialExpiresAt,
    reauthReason: reauthReasonOf(connection, now),
    deviceId: attempt.deviceId,
    webSessionId,
    now,
  };
  // The holder keeps one connection for one bank user: a removal of it still under way would end the new consent.
  await releaseConnection(tx, { userId, connectionId, now });
  if (live === undefined) await insertEnrolment(tx, facts);
  else await replaceConsent(tx, facts);
  // Another person's login at the same bank: the old connection is of no use any more.
  if (live !== undefined && live.connectionId !== connectionId) {
    await queueDrop(tx, { userId, connectionId: live.connectionId });
  }
  return facts.enrolmentId;
}
