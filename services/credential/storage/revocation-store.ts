import { sql } from "kysely";
import { valueOrFailure } from "../../platform/vault/sealed-box.ts";
import type { SecretPlace } from "../../platform/vault/vault.ts";
import type { Actor, AuditAct } from "../domain/audit.ts";
import type { ConnectionKey, Owner } from "../domain/connection.ts";
import { rejectionAlert } from "./secret-store.ts";
import type { Queryable, Storage, Tx } from "./storage.ts";
import { createVaultStore } from "./vault-store.ts";

/** Why secrets are to be revoked at a bank. */
export type RevocationCause = "disconnect" | "superseded" | "orphaned";

/** A revocation the bank has yet to confirm. */
export interface Revocation {
  readonly owner: Owner;
  readonly revocationId: string;
  readonly connectionId: string;
  readonly connector: string;
  readonly institutionId: string;
  readonly cause: RevocationCause;
  readonly attempts: number;
  readonly giveUpAt: Date;
}

/**
 * Puts up to `limit` revocations of an owner, their secrets sealed anew, into another's name. Those whose secrets do not open are
 * destroyed, as nothing could be revoked with them: they must not keep their owner from leaving. An alert of each.
 */
export async function moveRevocations(
  storage: Pick<Storage, "vault">,
  tx: Tx,
  move: { readonly from: Owner; readonly to: Owner; readonly limit: number },
): Promise<{ readonly moved: number; readonly alerts: readonly AuditAct[] }> {
  const { from, to, limit } = move;
  const rows = await tx
    .selectFrom("revocations")
    .select(["revocation_id", "connection_id", "connector", "institution_id", "data_key_id", "sealed_secrets"])
    .where("tenant", "=", from.tenant)
    .where("user_id", "=", from.userId)
    .orderBy("revocation_id")
    .limit(limit)
    .forUpdate()
    .execute();
  const alerts: AuditAct[] = [];
  for (const row of rows) {
    const named = { revocationId: row.revocation_id, institutionId: row.institution_id };
    const sealed = { dataKeyId: row.data_key_id, ciphertext: row.sealed_secrets };
    const secret = { place: revocationPlace({ ...named, owner: from }), sealed };
    const place = revocationPlace({ ...named, owner: to });
    const kept = await valueOrFailure(storage.vault.move(createVaultStore(tx), secret, place));
    if ("failure" in kept) {
      await deleteRevocation(tx, { owner: from, revocationId: row.revocation_id });
      const { connection_id: connectionId, connector, institution_id: institutionId } = row;
      alerts.push(rejectionAlert({ connectionId, connector, institutionId }, "revocation", kept.failure));
      continue;
    }
    await tx
      .updateTable("revocations")
      .set({
        tenant: to.tenant,
        user_id: to.userId,
        data_key_id: kept.value.dataKeyId,
        sealed_secrets: Buffer.from(kept.value.ciphertext),
      })
      .where("tenant", "=", from.tenant)
      .where("user_id", "=", from.userId)
      .where("revocation_id", "=", row.revocation_id)
      .execute();
  }
  return { moved: rows.length - alerts.length, alerts };
}

/**
 * Takes one due revocation, or the one named, until `leaseUntil`; nobody else takes it before. Its attempts are counted at once,
 * so that one which kills its process still falls back in the queue.
 */
export async function claimRevocation(
  db: Queryable,
  claim: { now: Date; leaseUntil: Date; revocationId?: string | undefined },
): Promise<Revocation | undefined> {
  const only = claim.revocationId === undefined ? sql`true` : sql`revocation_id = ${claim.revocationId}::uuid`;
  const row = await db
    .updateTable("revocations")
    .set({ due_at: claim.leaseUntil, attempts: sql<number>`attempts + 1` })
    .where(
      sql<boolean>`(tenant, user_id, revocation_id) = (select tenant, user_id, revocation_id from revocations
        where due_at <= ${claim.now}::timestamptz and ${only} order by due_at limit 1 for update skip locked)`,
    )
    .returningAll()
    .executeTakeFirst();
  if (row === undefined) return undefined;
  return {
    owner: { tenant: row.tenant, userId: row.user_id },
    revocationId: row.revocation_id,
    connectionId: row.connection_id,
    connector: row.connector,
    institutionId: row.institution_id,
    cause: row.cause,
    attempts: row.attempts,
    giveUpAt: row.give_up_at,
  };
}

/** Opens the secrets of a revocation; undefined when it was done meanwhile. Not inside a transaction. */
export async function openRevocation(
  storage: Pick<Storage, "db" | "openings">,
  revocation: Revocation,
  reader: { actor: Actor; now: Date },
): Promise<string | undefined> {
  const row = await storage.db.query
    .selectFrom("revocations")
    .select(["data_key_id", "sealed_secrets"])
    .where("tenant", "=", revocation.owner.tenant)
    .where("user_id", "=", revocation.owner.userId)
    .where("revocation_id", "=", revocation.revocationId)
    .executeTakeFirst();
  if (row === undefined) return undefined;
  const sealed = { dataKeyId: row.data_key_id, ciphertext: row.sealed_secrets };
  const { connectionId, connector } = revocation;
  const place = revocationPlace(revocation);
  return await storage.openings.open({ place, sealed, connectionId, connector, operation: "revoke", ...reader });
}

/** Sets when a revocation is tried again. */
export async function postponeRevocation(db: Queryable, revocation: Revocation, dueAt: Date): Promise<void> {
  await db
    .updateTable("revocations")
    .set({ due_at: dueAt })
    .where("tenant", "=", revocation.owner.tenant)
    .where("user_id", "=", revocation.owner.userId)
    .where("revocation_id", "=", revocation.revocationId)
    .execute();
}

/** Destroys a revocation and the secrets in it; false when that was done before. */
export async function deleteRevocation(
  tx: Tx,
  revocation: Pick<Revocation, "owner" | "revocationId">,
): Promise<boolean> {
  const result = await tx
    .deleteFrom("revocations")
    .where("tenant", "=", revocation.owner.tenant)
    .where("user_id", "=", revocation.owner.userId)
    .where("revocation_id", "=", revocation.revocationId)
    .executeTakeFirst();
  return result.numDeletedRows === 1n;
}

/** Whether a bank has yet to confirm the end of a connection, or of tokens that came for it afterwards. */
export async function hasPendingRevocation(db: Queryable, key: ConnectionKey): Promise<boolean> {
  const row = await db
    .selectFrom("revocations")
    .select("revocation_id")
    .where("tenant", "=", key.owner.tenant)
    .where("user_id", "=", key.owner.userId)
    .where("connection_id", "=", key.connectionId)
    .where("cause", "in", ["disconnect", "orphaned"])
    .executeTakeFirst();
  return row !== undefined;
}

/** Where the secrets of a revocation are sealed for. */
export function revocationPlace(revocation: Pick<Revocation, "owner" | "revocationId" | "institutionId">): SecretPlace {
  const { owner, revocationId, institutionId } = revocation;
  return { owner, recordId: revocationId, provider: institutionId, purpose: "revocation", recordVersion: 1 };
}

/**
 * Whether a user of ours at a provider is still needed there: by a live connection, by a firm whose client he is, or by a consent of this
 * owner that is under way.
 */
export async function isProviderUserNeeded(
  db: Queryable,
  { user, revocation, now }: { user: string; revocation: Revocation; now: Date },
): Promise<boolean> {
  const { connector, owner } = revocation;
  const { rows } = await sql<{ needed: boolean }>`
    select exists (select from connections
        where connector = ${connector} and provider_reference = ${user} and state <> 'REVOKED')
      or exists (select from aggregator_customers where connector = ${connector} and customer_id = ${user})
      or exists (select from connect_attempts where tenant = ${owner.tenant} and user_id = ${owner.userId}
        and connector = ${connector} and (status = 'exchanging' or status = 'started' and expires_at > ${now})) as needed`.execute(
    db,
  );
  return rows[0]?.needed !== false;
}
