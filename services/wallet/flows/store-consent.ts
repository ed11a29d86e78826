import type { Transaction } from "kysely";
import { inTransaction } from "../../platform/db/transaction.ts";
import { uuidv7 } from "../../platform/ids/uuidv7.ts";
import { addJob } from "../../platform/jobs/worker.ts";
import { randomHex } from "../../platform/secrets/random-token.ts";
import type { Connection } from "../clients/credential-connections.ts";
import { type ListedCard, planCardList } from "../domain/card-list.ts";
import { reauthReasonOf } from "../domain/enrolment-rules.ts";
import { walletCardToken } from "../domain/wallet-card-token.ts";
import { type EnrolmentAttempt, endAttempt, lockExchangingAttempt } from "../storage/attempts-store.ts";
import {
  deactivateCards,
  ensureDefaultCard,
  insertCard,
  listKnownCards,
  lockUser,
  refreshCard,
} from "../storage/cards-store.ts";
import { findLiveEnrolment, insertEnrolment, releaseConnection, replaceConsent } from "../storage/enrolments-store.ts";
import type { WalletTables } from "../storage/tables.ts";
import type { WalletDeps } from "./wallet-deps.ts";

/** The job that ends a connection no enrolment has (any more); payload `{userId, connectionId}`. */
export const dropConnectionTask = "drop_connection";

const cardTokenTriesMax = 5;
const dropAttemptsMax = 30;

/** A consent that the bank has granted and the connection's holder has stored. */
export interface Consent {
  readonly attempt: EnrolmentAttempt;
  readonly connection: Connection;
  readonly cards: readonly ListedCard[];
}

type ConsentDeps = Pick<WalletDeps, "clock" | "db">;

/**
 * Stores a consent: the enrolment new or replaced in place, its card list, and the attempt as completed, in one
 * transaction. `before` runs first in it and may refuse with a failure word. A connection that thereby belongs to no
 * enrolment is ended by a job. Resolves with the number of the enrolment's cards, or the word of the failure.
 */
export async function storeConsent(
  deps: ConsentDeps,
  consent: Consent,
  before: (tx: Transaction<WalletTables>) => Promise<string | undefined> = async () => undefined,
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
    const failure = (await before(tx)) ?? ((await lockUser(tx, userId)) ? undefined : "user_not_found");
    await endAttempt(tx, { userId, attemptId, failure, now });
    if (failure !== undefined) {
      await dropUnlessUsed(tx, consent);
      return { failure };
    }
    const enrolmentId = await storeEnrolment(deps, tx, consent);
    await storeCards(deps, tx, { userId, enrolmentId, bsimId: connection.bsimId, cards: consent.cards });
    return { cardCount: new Set(consent.cards.map((card) => card.cardRef)).size };
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

async function dropUnlessUsed(tx: Transaction<WalletTables>, { attempt, connection }: Consent): Promise<void> {
  const live = await findLiveEnrolment(tx, attempt.userId, attempt.bsimId);
  if (live?.connectionId !== connection.connectionId) {
    await queueDrop(tx, { userId: attempt.userId, connectionId: connection.connectionId });
  }
}

async function storeEnrolment(deps: ConsentDeps, tx: Transaction<WalletTables>, consent: Consent): Promise<string> {
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
    webSessionId: attempt.webSessionId,
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

async function storeCards(
  deps: ConsentDeps,
  tx: Transaction<WalletTables>,
  given: {
    readonly userId: string;
    readonly enrolmentId: string;
    readonly bsimId: string;
    readonly cards: readonly ListedCard[];
  },
): Promise<void> {
  const { userId, enrolmentId, bsimId } = given;
  const now = deps.clock.now();
  const plan = planCardList(await listKnownCards(tx, userId, bsimId), given.cards);
  await deactivateCards(tx, { userId, cardIds: plan.deactivate, now });
  for (const { cardId, listed } of plan.refresh) await refreshCard(tx, { userId, enrolmentId, cardId, listed, now });
  const added: string[] = [];
  for (const listed of plan.add) {
    const cardId = uuidv7(now.getTime());
    await insertWithToken(tx, { userId, enrolmentId, bsimId, cardId, listed, now });
    added.push(cardId);
  }
  // The bank lists the person's main card first.
  await ensureDefaultCard(tx, { userId, preferredCardId: plan.refresh[0]?.cardId ?? added[0], now });
}

/** 48 random bits are unlikely to be taken, and then others are tried. */
async function insertWithToken(
  tx: Transaction<WalletTables>,
  card: Omit<Parameters<typeof insertCard>[1], "walletCardToken">,
): Promise<void> {
  for (let attempt = 1; attempt <= cardTokenTriesMax; attempt += 1) {
    const token = walletCardToken(card.bsimId, randomHex(6));
    if (await insertCard(tx, { ...card, walletCardToken: token })) return;
  }
  throw new Error("no free walletCardToken found");
}
