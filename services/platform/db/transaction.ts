import { setTimeout as delay } from "node:timers/promises";
import type { IsolationLevel, Transaction } from "kysely";
import type { Database } from "./open-database.ts";

/** A transaction in progress, as flows pass it between stores. */
export type { Transaction } from "kysely";

const attemptsMax = 5;
const firstPauseMs = 5;
const serializationFailure = "40001";
const deadlockDetected = "40P01";

/** Settings of one transaction. */
export interface TransactionOptions {
  /** Read committed when absent. */
  readonly isolation?: IsolationLevel;
}

/**
 * Runs `work` in one transaction and commits when it resolves; any rejection rolls back and is passed on. A conflict
 * (40001) or deadlock (40P01) runs the whole `work` again after a short random pause, five attempts in all, so `work`
 * may hold nothing but statements: no network call, no change outside the transaction. A connection lost during commit
 * is not retried, since the outcome is unknown.
 */
export async function inTransaction<Tables, Result>(
  db: Pick<Database<Tables>, "query">,
  work: (tx: Transaction<Tables>) => Promise<Result>,
  options: TransactionOptions = {},
): Promise<Result> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      const builder = db.query.transaction();
      return await (options.isolation ? builder.setIsolationLevel(options.isolation) : builder).execute(work);
    } catch (error) {
      if (attempt >= attemptsMax || !isConflict(error)) throw error;
      await delay(firstPauseMs * 2 ** (attempt - 1) * (0.5 + Math.random()));
    }
  }
}

function isConflict(error: unknown): boolean {
  const code = sqlStateOf(error);
  return code === serializationFailure || code === deadlockDetected;
}

/** The five-character SQLSTATE of an error PostgreSQL reported, undefined for anything else. */
export function sqlStateOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !("code" in error) || typeof error.code !== "string") return undefined;
  return /^[0-9A-Z]{5}$/.test(error.code) ? error.code : undefined;
}
