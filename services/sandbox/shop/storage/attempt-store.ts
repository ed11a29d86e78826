import { type Selectable, sql } from "kysely";
import type { Database } from "../../../platform/db/open-database.ts";
import { inTransaction } from "../../../platform/db/transaction.ts";
import type { PaymentMethod } from "../domain/order.ts";
import type { AuthorizationResult } from "../domain/payment-result.ts";
import { resultColumns } from "./order-store.ts";
import type { ShopTables } from "./tables.ts";

const dueRowsMax = 20;
const sweepRowsMax = 500;

/** One trip of a customer to a wallet or a bank. Secrets are sealed by the caller. */
export interface Attempt {
  readonly id: string;
  readonly orderId: string;
  readonly sessionId: string;
  /** `wallet`, or the id of the bank asked directly. */
  readonly provider: string;
  readonly sealedSecrets: Buffer;
  readonly idempotencyKey: string;
  readonly sealedRequest: Buffer | null;
  readonly tries: number;
}

/** Payment trips: `sent` → `returned` → `authorizing` → `settled`. Each step is taken by one caller only. */
export interface AttemptStore {
  create(attempt: Attempt & { stateHash: Buffer; expiresAt: Date }): Promise<void>;
  /**
   * Takes the trip this state belongs to, once: `sent` becomes `returned`. Undefined for an unknown, foreign, expired or
   * already used state, and for one that left by the other method.
   */
  takeReturn(trip: {
    stateHash: Buffer;
    sessionId: string;
    method: PaymentMethod;
    now: Date;
  }): Promise<Attempt | undefined>;
  /** The order a state belongs to, used or not, for showing it again after a reload. */
  orderOfState(stateHash: Buffer, sessionId: string): Promise<string | undefined>;
  /** Stores the sealed request and moves the order to `paying`, before the Router is asked. False when not payable. */
  beginAuthorizing(attempt: Attempt, request: { sealed: Buffer; nextTryAt: Date }): Promise<boolean>;
  /** Ends a trip with its result, in the attempt and in the order. The request is forgotten. */
  settle(attempt: Attempt, result: AuthorizationResult): Promise<void>;
  /** Ends a trip that never reached the Router. */
  abandon(attempt: Attempt): Promise<void>;
  /** Claims trips whose answer was lost; they stay away from other replicas until `nextTryAt`. */
  claimDue(times: { now: Date; nextTryAt: Date }): Promise<readonly Attempt[]>;
  /** Deletes some old trips that have ended. Returns how many. */
  sweep(now: Date): Promise<number>;
}

/** Opens the store on the shop's schema. */
export function createAttemptStore(db: Database<ShopTables>): AttemptStore {
  return {
    async create(attempt) {
      await db.query
        .insertInto("payment_attempts")
        .values({
          attempt_id: attempt.id,
          order_id: attempt.orderId,
          session_id: attempt.sessionId,
          provider: attempt.provider,
          state_hash: attempt.stateHash,
          sealed_secrets: attempt.sealedSecrets,
          stage: "sent",
          idempotency_key: attempt.idempotencyKey,
          sealed_request: null,
          next_try_at: null,
          expires_at: attempt.expiresAt,
        })
        .execute();
    },
    async takeReturn({ stateHash, sessionId, method, now }) {
      const row = await db.query
        .updateTable("payment_attempts")
        .set({ stage: "returned" })
        .where("state_hash", "=", stateHash)
        .where("session_id", "=", sessionId)
        .where("provider", method === "wallet" ? "=" : "!=", "wallet")
        .where("stage", "=", "sent")
        .where("expires_at", ">", now)
        .returningAll()
        .executeTakeFirst();
      return row === undefined ? undefined : attemptOf(row);
    },
    async orderOfState(stateHash, sessionId) {
      const row = await db.query
        .selectFrom("payment_attempts")
        .select("order_id")
        .where("state_hash", "=", stateHash)
        .where("session_id", "=", sessionId)
        .executeTakeFirst();
      return row?.order_id;
    },
    beginAuthorizing: (attempt, request) => beginAuthorizing(db, attempt, request),
    settle: (attempt, result) => settle(db, attempt, result),
    async abandon(attempt) {
      await db.query
        .updateTable("payment_attempts")
        .set({ stage: "settled", sealed_request: null, next_try_at: null })
        .where("attempt_id", "=", attempt.id)
        .where("stage", "=", "returned")
        .execute();
    },
    claimDue: (times) => claimDue(db, times),
    async sweep(now) {
      const result = await db.query
        .deleteFrom("payment_attempts")
        .where("attempt_id", "in", (query) =>
          query
            .selectFrom("payment_attempts")
            .select("attempt_id")
            .where("expires_at", "<=", now)
            .where("stage", "!=", "authorizing")
            .limit(sweepRowsMax),
        )
        .executeTakeFirst();
      return Number(result.numDeletedRows);
    },
  };
}

function beginAuthorizing(
  db: Database<ShopTables>,
  attempt: Attempt,
  request: { sealed: Buffer; nextTryAt: Date },
): Promise<boolean> {
  return inTransaction(db, async (tx) => {
    const order = await tx
      .updateTable("orders")
      .set({ state: "paying", updated_at: sql`now()` })
      .where("order_id", "=", attempt.orderId)
      // A trip cancelled in another tab does not undo the one approved in this.
      .where("state", "in", ["awaiting_payment", "cancelled", "declined", "failed"])
      .executeTakeFirst();
    if (order.numUpdatedRows === 0n) return false;
    await tx
      .updateTable("payment_attempts")
      .set({ stage: "authorizing", sealed_request: request.sealed, next_try_at: request.nextTryAt, tries: 1 })
      .where("attempt_id", "=", attempt.id)
      .where("stage", "=", "returned")
      .executeTakeFirstOrThrow();
    return true;
  });
}

function settle(db: Database<ShopTables>, attempt: Attempt, result: AuthorizationResult): Promise<void> {
  return inTransaction(db, async (tx) => {
    const ended = await tx
      .updateTable("payment_attempts")
      .set({ stage: "settled", sealed_request: null, next_try_at: null })
      .where("attempt_id", "=", attempt.id)
      .where("stage", "=", "authorizing")
      .executeTakeFirst();
    // Another caller settled it first, with the same answer: the Router replays by key.
    if (ended.numUpdatedRows === 0n) return;
    await tx
      .updateTable("orders")
      .set(resultColumns(result))
      .where("order_id", "=", attempt.orderId)
      .where("state", "=", "paying")
      .execute();
  });
}

async function claimDue(db: Database<ShopTables>, times: { now: Date; nextTryAt: Date }): Promise<readonly Attempt[]> {
  const rows = await db.query
    .updateTable("payment_attempts")
    .set({ next_try_at: times.nextTryAt, tries: sql`tries + 1` })
    .where("attempt_id", "in", (query) =>
      query
        .selectFrom("payment_attempts")
        .select("attempt_id")
        .where("stage", "=", "authorizing")
        .where("next_try_at", "<=", times.now)
        .orderBy("next_try_at")
        .limit(dueRowsMax)
        .forUpdate()
        .skipLocked(),
    )
    .returningAll()
    .execute();
  return rows.map(attemptOf);
}

function attemptOf(row: Selectable<ShopTables["payment_attempts"]>): Attempt {
  return {
    id: row.attempt_id,
    orderId: row.order_id,
    sessionId: row.session_id,
    provider: row.provider,
    sealedSecrets: row.sealed_secrets,
    idempotencyKey: row.idempotency_key,
    sealedRequest: row.sealed_request,
    tries: row.tries,
  };
}
