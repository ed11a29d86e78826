import { sql } from "kysely";
import { SealedRecordError } from "../../platform/vault/sealed-box.ts";
import type { PlacedSecret, SealedSecret } from "../../platform/vault/vault.ts";
import { jobActor } from "../domain/audit.ts";
import type { Owner } from "../domain/connection.ts";
import {
  type AttemptKey,
  type AttemptStatus,
  attemptPlace,
  type ConnectAttempt,
  finishAttempt,
} from "./attempt-store.ts";
import type { Queryable, Storage, Tx } from "./storage.ts";

/** A consent whose exchange was never finished, with the code that was sent. */
export interface AbandonedAttempt extends ConnectAttempt {
  readonly code: string;
  readonly createdAt: Date;
}

/** Puts a consent that cannot be cleaned up yet behind all others. */
export async function postponeAttempt(db: Queryable, attempt: AttemptKey, now: Date): Promise<void> {
  await db
    .updateTable("connect_attempts")
    .set({ exchanging_since: now })
    .where("tenant", "=", attempt.owner.tenant)
    .where("user_id", "=", attempt.owner.userId)
    .where("attempt_id", "=", attempt.attemptId)
    .where("status", "=", "exchanging")
    .execute();
}

/** Consents whose exchange began before `before` and never ended: their process died. Oldest first. */
export async function findAbandonedAttempts(
  storage: Storage,
  before: Date,
  limit: number,
  now: Date,
): Promise<readonly AbandonedAttempt[]> {
  const db = storage.db.query;
  const rows = await db
    .selectFrom("connect_attempts")
    .selectAll()
    .where("status", "=", "exchanging")
    .where("exchanging_since", "<", before)
    .orderBy("exchanging_since")
    .limit(limit)
    .execute();
  const found: AbandonedAttempt[] = [];
  for (const row of rows) {
    if (row.code_data_key_id === null || row.sealed_code === null) continue;
    const owner = { tenant: row.tenant, userId: row.user_id };
    const facts = { owner, attemptId: row.attempt_id, institutionId: row.institution_id };
    const { connector, redirect_uri: redirectUri, created_at: createdAt } = row;
    const reader = { connector, actor: jobActor("attempts"), now, operation: "undo_exchange" };
    const open = (purpose: "proofs" | "code", sealed: SealedSecret) =>
      storage.openings.open({ place: attemptPlace(facts, purpose), sealed, ...reader });
    try {
      const proofs = await open("proofs", { dataKeyId: row.proofs_data_key_id, ciphertext: row.sealed_proofs });
      const code = await open("code", { dataKeyId: row.code_data_key_id, ciphertext: row.sealed_code });
      const connectionId = row.connection_id ?? undefined;
      found.push({ ...facts, connector, redirectUri, connectionId, proofs, code, createdAt });
    } catch (error) {
      if (!(error instanceof SealedRecordError)) throw error;
      // A damaged row can never be cleaned up; left at the head of the queue it would keep the others from it.
      await finishAttempt(db, facts, "failed");
    }
  }
  return found;
}

/** How a consent stands, locked for the rest of the transaction; undefined when it is gone, as after an erasure. */
export async function lockAttemptStatus(tx: Tx, attempt: AttemptKey): Promise<AttemptStatus | undefined> {
  const row = await attemptRow(tx, attempt).select("status").forUpdate().executeTakeFirst();
  return row?.status;
}

/** The proofs of a consent, sealed as they are, and where they are for. */
export async function findSealedProofs(
  db: Queryable,
  attempt: AttemptKey,
): Promise<
  (Pick<ConnectAttempt, "connector" | "institutionId"> & { readonly sealedProofs: PlacedSecret }) | undefined
> {
  const columns = ["connector", "institution_id", "proofs_data_key_id", "sealed_proofs"] as const;
  const row = await attemptRow(db, attempt).select(columns).executeTakeFirst();
  if (row === undefined) return undefined;
  const { connector, institution_id: institutionId } = row;
  const sealed = { dataKeyId: row.proofs_data_key_id, ciphertext: row.sealed_proofs };
  const place = attemptPlace({ ...attempt, institutionId }, "proofs");
  return { connector, institutionId, sealedProofs: { place, sealed } };
}

function attemptRow(db: Queryable, { owner, attemptId }: AttemptKey) {
  return db
    .selectFrom("connect_attempts")
    .where("tenant", "=", owner.tenant)
    .where("user_id", "=", owner.userId)
    .where("attempt_id", "=", attemptId);
}

/**
 * Locks consents at these connectors that ended without a connection, at most `limit`, and calls them cleaned: those that expired, or
 * failed and are past their time. Whoever takes them has to end what they left at the provider, in the same transaction.
 */
export async function takeLeftAttempts(
  tx: Tx,
  search: { readonly connectors: readonly string[]; readonly now: Date; readonly limit: number },
): Promise<AttemptKey[]> {
  const { rows } = await sql<{ tenant: string; user_id: string; attempt_id: string }>`
    update connect_attempts set status = 'cleaned' where (tenant, user_id, state_hash) in (
      select tenant, user_id, state_hash from connect_attempts
      where status in ('started', 'failed') and expires_at <= ${search.now} and connector = any(${[...search.connectors]}::text[])
      order by expires_at limit ${search.limit} for update skip locked)
    returning tenant, user_id, attempt_id`.execute(tx);
  return rows.map((row) => ({ owner: { tenant: row.tenant, userId: row.user_id }, attemptId: row.attempt_id }));
}

/** An owner's consents at these connectors that became no connection, locked. */
export async function lockUnfinishedAttempts(
  tx: Tx,
  search: { readonly owner: Owner; readonly connectors: readonly string[] },
): Promise<AttemptKey[]> {
  const { owner } = search;
  const rows = await tx
    .selectFrom("connect_attempts")
    .select("attempt_id")
    .where("tenant", "=", owner.tenant)
    .where("user_id", "=", owner.userId)
    .where("connector", "in", [...search.connectors, ""])
    .where("status", "in", ["started", "exchanging", "failed"])
    .forUpdate()
    .execute();
  return rows.map((row) => ({ owner, attemptId: row.attempt_id }));
}

/** Removes consents that ended or expired before `before`, at most `limit`, unless `takeLeftAttempts` has yet to see them; how many. */
export async function deleteOldAttempts(
  db: Queryable,
  old: { readonly before: Date; readonly limit: number; readonly takenFor: readonly string[] },
): Promise<bigint> {
  const result = await db
    .deleteFrom("connect_attempts")
    .where(({ eb, refTuple, selectFrom }) =>
      eb(
        refTuple("tenant", "user_id", "state_hash"),
        "in",
        selectFrom("connect_attempts")
          .select(["tenant", "user_id", "state_hash"])
          .where("created_at", "<", old.before)
          .where("status", "<>", "exchanging")
          .where((attempt) =>
            attempt.or([
              attempt("status", "in", ["completed", "cleaned"]),
              attempt("connector", "not in", [...old.takenFor, ""]),
            ]),
          )
          .limit(old.limit)
          .$asTuple("tenant", "user_id", "state_hash"),
      ),
    )
    .executeTakeFirst();
  return result.numDeletedRows;
}
