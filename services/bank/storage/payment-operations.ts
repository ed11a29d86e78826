import { sql, type Transaction } from "kysely";
import { z } from "zod";
import { DomainError } from "../../platform/errors/domain-error.ts";

type Operation = "capture" | "void" | "refund";

const storedAnswer = z.object({ success: z.boolean(), error: z.string().optional() });

/**
 * Claims the key inside the caller's transaction, waiting for another one that holds it. Gives the first answer when
 * there is one, undefined when this transaction is to make it. Throws `IDEMPOTENCY_CONFLICT` for another request.
 */
export async function firstAnswer<T>(
  tx: Transaction<T>,
  claim: { operation: Operation; idempotencyKey: string; requestHash: Buffer; now: Date },
): Promise<{ success: boolean; error?: string } | undefined> {
  const claimed = await sql`insert into payment_operations (operation, idempotency_key, request_hash, created_at)
    values (${claim.operation}, ${claim.idempotencyKey}, ${claim.requestHash}, ${claim.now})
    on conflict do nothing returning 1`.execute(tx);
  if (claimed.rows.length > 0) return undefined;
  const found = await sql<{ request_hash: Buffer; answer: unknown }>`select request_hash, answer from payment_operations
    where operation = ${claim.operation} and idempotency_key = ${claim.idempotencyKey}`.execute(tx);
  const row = found.rows[0];
  if (row === undefined) throw new Error("a kept answer vanished between two statements");
  if (!row.request_hash.equals(claim.requestHash)) throw new DomainError("IDEMPOTENCY_CONFLICT");
  const { success, error } = storedAnswer.parse(row.answer);
  return error === undefined ? { success } : { success, error };
}

/** Keeps the answer beside its act: both are committed, or neither. */
export async function keepAnswer<T>(
  tx: Transaction<T>,
  kept: { operation: Operation; idempotencyKey: string; answer: { success: boolean; error?: string } },
): Promise<void> {
  await sql`update payment_operations set answer = ${JSON.stringify(kept.answer)}::jsonb
    where operation = ${kept.operation} and idempotency_key = ${kept.idempotencyKey}`.execute(tx);
}

/** Forgets answers older than `before`, at most `limit` of them; gives how many went. */
export async function forgetAnswers<T>(tx: Transaction<T>, before: Date, limit: number): Promise<number> {
  const gone = await sql`delete from payment_operations where (operation, idempotency_key) in (
    select operation, idempotency_key from payment_operations where created_at < ${before}
    order by created_at limit ${limit} for update skip locked)`.execute(tx);
  return Number(gone.numAffectedRows ?? 0n);
}
