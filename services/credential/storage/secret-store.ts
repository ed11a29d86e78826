import { createHash } from "node:crypto";
import { sql } from "kysely";
import type { SecretPlace } from "../../platform/vault/vault.ts";
import type { AuditAct } from "../domain/audit.ts";
import type { Connection } from "../domain/connection.ts";
import type { Queryable, Storage, Tx } from "./storage.ts";
import { createVaultStore } from "./vault-store.ts";

/** The secrets of a connection, each sealed and ending by itself. */
export type SecretPurpose = "access_token" | "refresh_token" | "wallet_credential";

/** A secret to keep. */
export interface NewSecret {
  readonly purpose: SecretPurpose;
  readonly plaintext: string;
  readonly expiresAt: Date | undefined;
}

/** A secret, opened. Never log it, never put it into an error. */
export interface OpenedSecret {
  readonly plaintext: string;
  readonly recordVersion: number;
}

type SecretOwner = Pick<Connection, "owner" | "connectionId" | "institutionId">;

/**
 * Seals and stores secrets over whatever was there, under record versions that no earlier secret of the connection had.
 * Returns the audit act, with version and ciphertext hash of each, by which a row put back later is found.
 */
export async function storeSecrets(
  storage: Storage,
  tx: Tx,
  work: { connection: SecretOwner; secrets: readonly NewSecret[]; now: Date },
): Promise<AuditAct> {
  const { connection, secrets, now } = work;
  let version = await reserveVersions(tx, connection, secrets.length);
  const stored: string[] = [];
  for (const secret of secrets) {
    const place = placeOf(connection, secret.purpose, version);
    const sealed = await storage.vault.seal(createVaultStore(tx), place, secret.plaintext);
    const ciphertext = Buffer.from(sealed.ciphertext);
    const row = {
      record_version: version,
      data_key_id: sealed.dataKeyId,
      ciphertext,
      expires_at: secret.expiresAt ?? null,
      updated_at: now,
    };
    await tx
      .insertInto("connection_secrets")
      .values({ ...keyColumns(connection), purpose: secret.purpose, ...row })
      .onConflict((conflict) => conflict.columns(["tenant", "user_id", "connection_id", "purpose"]).doUpdateSet(row))
      .execute();
    stored.push(secretFingerprint(secret.purpose, version, ciphertext));
    version += 1;
  }
  return {
    action: "credential_store",
    outcome: "ok",
    connectionId: connection.connectionId,
    institutionId: connection.institutionId,
    durationMs: 0,
    details: { stored },
  };
}

/** Opens a secret of a connection; undefined when there is none. Throws `SealedRecordError` when it was tampered with. */
export async function openSecret(
  storage: Pick<Storage, "vault">,
  db: Queryable,
  connection: SecretOwner,
  purpose: SecretPurpose,
): Promise<OpenedSecret | undefined> {
  const row = await db
    .selectFrom("connection_secrets")
    .select(["record_version", "data_key_id", "ciphertext"])
    .where("tenant", "=", connection.owner.tenant)
    .where("user_id", "=", connection.owner.userId)
    .where("connection_id", "=", connection.connectionId)
    .where("purpose", "=", purpose)
    .executeTakeFirst();
  if (row === undefined) return undefined;
  const place = placeOf(connection, purpose, row.record_version);
  const sealed = { dataKeyId: row.data_key_id, ciphertext: row.ciphertext };
  const plaintext = await storage.vault.open(createVaultStore(db), place, sealed);
  return { plaintext, recordVersion: row.record_version };
}

/** Destroys secrets of a connection, all of them unless purposes are named. Returns the audit act. */
export async function deleteSecrets(
  tx: Tx,
  connection: SecretOwner,
  purposes?: readonly SecretPurpose[],
): Promise<AuditAct> {
  let query = tx
    .deleteFrom("connection_secrets")
    .where("tenant", "=", connection.owner.tenant)
    .where("user_id", "=", connection.owner.userId)
    .where("connection_id", "=", connection.connectionId);
  if (purposes !== undefined) query = query.where("purpose", "in", purposes);
  const rows = await query.returning("purpose").execute();
  return {
    action: "credential_delete",
    outcome: "ok",
    connectionId: connection.connectionId,
    institutionId: connection.institutionId,
    durationMs: 0,
    details: { deleted: rows.map((row) => row.purpose).sort() },
  };
}

/** How the audit names a stored secret: purpose, record version and SHA-256 of the ciphertext. */
export function secretFingerprint(purpose: string, version: number, ciphertext: Uint8Array): string {
  return `${purpose}:${version}:${createHash("sha256").update(ciphertext).digest("hex")}`;
}

async function reserveVersions(tx: Tx, connection: SecretOwner, count: number): Promise<number> {
  const row = await tx
    .updateTable("connections")
    .set({ secrets_version: sql<number>`secrets_version + ${count}::int` })
    .where("tenant", "=", connection.owner.tenant)
    .where("user_id", "=", connection.owner.userId)
    .where("connection_id", "=", connection.connectionId)
    .returning("secrets_version")
    .executeTakeFirstOrThrow();
  return row.secrets_version - count + 1;
}

function placeOf(connection: SecretOwner, purpose: string, recordVersion: number): SecretPlace {
  const { owner, connectionId, institutionId } = connection;
  return { owner, recordId: connectionId, provider: institutionId, purpose, recordVersion };
}

function keyColumns(connection: SecretOwner) {
  const { owner, connectionId } = connection;
  return { tenant: owner.tenant, user_id: owner.userId, connection_id: connectionId };
}
