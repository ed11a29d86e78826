import { sql } from "kysely";
import type { SealedSecret, SecretPlace } from "../../platform/vault/vault.ts";
import type { Actor, AuditAct } from "../domain/audit.ts";
import type { Connection, ConnectionKey, Owner } from "../domain/connection.ts";
import type { SecretsToRevoke } from "../domain/secrets-to-revoke.ts";
import { findSecret, rejectionAlert, type SecretPurpose } from "./secret-store.ts";
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

/** When a revocation is made, first tried and given up. */
interface RevocationTimes {
  readonly now: Date;
  readonly dueAt: Date;
}

/** Stores a revocation with its own sealed copy of the secrets, the only one from now on. */
export async function insertRevocation(
  storage: Pick<Storage, "vault">,
  tx: Tx,
  revocation: Omit<Revocation, "attempts"> & RevocationTimes & { secrets: SecretsToRevoke },
): Promise<void> {
  const text = JSON.stringify(revocation.secrets);
  const sealed = await storage.vault.seal(createVaultStore(tx), placeOf(revocation), text);
  await insertSealed(tx, revocation, sealed);
}

/**
 * Puts secrets of a connection under the seal of a new revocation; nobody sees them. The connection's own stay where they are.
 * Returns the alerts of those that do not open: they are left out, and must not keep their user from leaving.
 */
export async function insertRevocationOf(
  storage: Pick<Storage, "vault">,
  tx: Tx,
  connection: Pick<Connection, "owner" | "connectionId" | "connector" | "institutionId">,
  revocation: Pick<Revocation, "revocationId" | "cause" | "giveUpAt"> &
    RevocationTimes & {
      readonly purposes: readonly SecretPurpose[];
      /** In whose name it is kept, when not the connection's owner's. */
      readonly keptFor?: Owner;
      /** What the provider has to be told beside the secrets. */
      readonly facts?: Pick<SecretsToRevoke, "providerReference">;
    },
): Promise<AuditAct[]> {
  const { connectionId, connector, institutionId } = connection;
  const owner = revocation.keptFor ?? connection.owner;
  const whole = { ...revocation, owner, connectionId, connector, institutionId };
  const parts = [];
  for (const purpose of revocation.purposes) {
    const secret = await findSecret(tx, connection, purpose);
    if (secret !== undefined) parts.push({ ...secret, name: revokedNames[purpose] });
  }
  const gathering = { parts, facts: { ...revocation.facts }, to: placeOf(whole) };
  const { sealed, rejected } = await storage.vault.gather(createVaultStore(tx), gathering);
  await insertSealed(tx, whole, sealed);
  return rejected.flatMap(({ name, failure }) => {
    const purpose = revocation.purposes.find((one) => revokedNames[one] === name);
    return purpose === undefined ? [] : [rejectionAlert(connection, purpose, failure)];
  });
}

const revokedNames: Readonly<Record<SecretPurpose, keyof SecretsToRevoke>> = {
  wallet_credential: "credential",
  refresh_token: "refreshToken",
  access_token: "accessToken",
};

async function insertSealed(
  tx: Tx,
  revocation: Omit<Revocation, "attempts"> & RevocationTimes,
  sealed: SealedSecret,
): Promise<void> {
  await tx
    .insertInto("revocations")
    .values({
      tenant: revocation.owner.tenant,
      user_id: revocation.owner.userId,
      revocation_id: revocation.revocationId,
      connection_id: revocation.connectionId,
      connector: revocation.connector,
      institution_id: revocation.institutionId,
      cause: revocation.cause,
      data_key_id: sealed.dataKeyId,
      sealed_secrets: Buffer.from(sealed.ciphertext),
      due_at: revocation.dueAt,
      give_up_at: revocation.giveUpAt,
      created_at: revocation.now,
    })
    .execute();
}

/** Puts up to `limit` revocations of an owner, their secrets sealed anew, into another's name; returns how many. */
export async function moveRevocations(
  storage: Pick<Storage, "vault">,
  tx: Tx,
  move: { readonly from: Owner; readonly to: Owner; readonly limit: number },
): Promise<number> {
  const { from, to, limit } = move;
  const rows = await tx
    .selectFrom("revocations")
    .select(["revocation_id", "institution_id", "data_key_id", "sealed_secrets"])
    .where("tenant", "=", from.tenant)
    .where("user_id", "=", from.userId)
    .orderBy("revocation_id")
    .limit(limit)
    .forUpdate()
    .execute();
  for (const row of rows) {
    const named = { revocationId: row.revocation_id, institutionId: row.institution_id };
    const sealed = { dataKeyId: row.data_key_id, ciphertext: row.sealed_secrets };
    const secret = { place: placeOf({ ...named, owner: from }), sealed };
    const moved = await storage.vault.move(createVaultStore(tx), secret, placeOf({ ...named, owner: to }));
    await tx
      .updateTable("revocations")
      .set({
        tenant: to.tenant,
        user_id: to.userId,
        data_key_id: moved.dataKeyId,
        sealed_secrets: Buffer.from(moved.ciphertext),
      })
      .where("tenant", "=", from.tenant)
      .where("user_id", "=", from.userId)
      .where("revocation_id", "=", row.revocation_id)
      .execute();
  }
  return rows.length;
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
  const { connectionId } = revocation;
  const place = placeOf(revocation);
  return await storage.openings.open({ place, sealed, connectionId, operation: "revoke", ...reader });
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
export async function deleteRevocation(tx: Tx, revocation: Revocation): Promise<boolean> {
  const result = await tx
    .deleteFrom("revocations")
    .where("tenant", "=", revocation.owner.tenant)
    .where("user_id", "=", revocation.owner.userId)
    .where("revocation_id", "=", revocation.revocationId)
    .executeTakeFirst();
  return result.numDeletedRows === 1n;
}

/** Whether a bank has yet to confirm the end of a connection. */
export async function hasPendingRevocation(db: Queryable, key: ConnectionKey): Promise<boolean> {
  const row = await db
    .selectFrom("revocations")
    .select("revocation_id")
    .where("tenant", "=", key.owner.tenant)
    .where("user_id", "=", key.owner.userId)
    .where("connection_id", "=", key.connectionId)
    .where("cause", "=", "disconnect")
    .executeTakeFirst();
  return row !== undefined;
}

function placeOf(revocation: Pick<Revocation, "owner" | "revocationId" | "institutionId">): SecretPlace {
  const { owner, revocationId, institutionId } = revocation;
  return { owner, recordId: revocationId, provider: institutionId, purpose: "revocation", recordVersion: 1 };
}
