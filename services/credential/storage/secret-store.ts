import { createHash } from "node:crypto";
import { sql } from "kysely";
import { hmac } from "../../platform/secrets/keyed-hash.ts";
import { SealedRecordError } from "../../platform/vault/sealed-box.ts";
import type { PlacedSecret, SealedSecret, SecretPlace } from "../../platform/vault/vault.ts";
import type { Actor, AuditAct } from "../domain/audit.ts";
import type { Connection } from "../domain/connection.ts";
import { countSealsAhead } from "./batch-vault-store.ts";
import { keyArrays } from "./key-columns.ts";
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

type SecretOwner = Pick<Connection, "owner" | "connectionId" | "connector" | "institutionId">;
/** Of what the audit tells a secret was. */
type Named = Pick<SecretOwner, "connectionId" | "connector" | "institutionId">;

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
  const firstVersion = await reserveVersions(tx, connection, secrets.length);
  const [act] = await storeSecretsOfMany(storage, tx, [{ connection, secrets, firstVersion, now }]);
  if (act === undefined) throw new Error("one connection gave no act");
  return act;
}

/** Secrets of one connection for record versions that were reserved for them. */
export interface ReservedSecrets {
  readonly connection: SecretOwner;
  readonly secrets: readonly NewSecret[];
  readonly firstVersion: number;
  readonly now: Date;
}

/** Like `storeSecrets`, for many connections in a few statements; an act for each, in the order given. */
export async function storeSecretsOfMany(
  storage: Storage,
  tx: Tx,
  batch: readonly ReservedSecrets[],
): Promise<AuditAct[]> {
  const store = await countSealsAhead(
    tx,
    batch.map(({ connection, secrets }) => ({ owner: connection.owner, seals: secrets.length })),
  );
  const rows: SealedRow[] = [];
  for (const { connection, secrets, firstVersion, now } of batch) {
    const placed = secrets.map(({ purpose, plaintext }, at) => ({
      place: secretPlaceOf(connection, purpose, firstVersion + at),
      plaintext,
    }));
    const sealed = await storage.vault.sealAll(store, placed);
    for (const [at, { purpose, expiresAt }] of secrets.entries()) {
      const record = sealed[at];
      if (record === undefined) throw new Error("fewer secrets were sealed than given");
      rows.push({ connection, purpose, version: firstVersion + at, sealed: record, expiresAt, now });
    }
  }
  await upsertSecrets(tx, rows);
  return batch.map(({ connection }) => {
    const own = rows.filter((row) => row.connection === connection);
    return storedAct(
      connection,
      own.map((row) => secretFingerprint(storage.auditKey, row.purpose, row.version, row.sealed.ciphertext)),
    );
  });
}

interface SealedRow {
  readonly connection: SecretOwner;
  readonly purpose: SecretPurpose;
  readonly version: number;
  readonly sealed: SealedSecret;
  readonly expiresAt: Date | undefined;
  readonly now: Date;
}

async function upsertSecrets(tx: Tx, rows: readonly SealedRow[]): Promise<void> {
  const of = <T>(read: (row: SealedRow) => T): T[] => rows.map(read);
  await sql`
    insert into connection_secrets (tenant, user_id, connection_id, purpose, record_version, data_key_id, ciphertext,
      expires_at, updated_at)
    select * from unnest(${keyArrays(of((row) => row.connection))}, ${of((row) => row.purpose)}::text[],
      ${of((row) => row.version)}::integer[], ${of((row) => row.sealed.dataKeyId)}::uuid[],
      ${of((row) => Buffer.from(row.sealed.ciphertext))}::bytea[], ${of((row) => row.expiresAt ?? null)}::timestamptz[],
      ${of((row) => row.now)}::timestamptz[])
    on conflict (tenant, user_id, connection_id, purpose) do update set record_version = excluded.record_version,
      data_key_id = excluded.data_key_id, ciphertext = excluded.ciphertext, expires_at = excluded.expires_at,
      updated_at = excluded.updated_at`.execute(tx);
}

function storedAct({ connectionId, connector, institutionId }: Named, stored: readonly string[]): AuditAct {
  return {
    action: "credential_store",
    outcome: "ok",
    connectionId,
    connector,
    institutionId,
    durationMs: 0,
    details: { stored },
  };
}

/** Who reads a secret, when, and what for. */
export interface Reader {
  readonly actor: Actor;
  readonly now: Date;
  readonly operation: string;
}

/**
 * Opens a secret of a connection, its audit row first; undefined, and no row, when there is none. Not inside a transaction.
 * Throws `SealedRecordError` when it was tampered with.
 */
export async function openSecret(
  storage: Pick<Storage, "db" | "openings">,
  connection: SecretOwner,
  purpose: SecretPurpose,
  reader: Reader,
): Promise<OpenedSecret | undefined> {
  const secret = await findSecret(storage.db.query, connection, purpose);
  if (secret === undefined) return undefined;
  const { connectionId, connector } = connection;
  const plaintext = await storage.openings.open({ ...secret, ...reader, connectionId, connector });
  return { plaintext, recordVersion: secret.place.recordVersion };
}

/** How a stored secret compares, and what the audit has to be told of one that does not open. */
export interface Comparison {
  readonly outcome: "same" | "other" | "none" | "rejected";
  readonly alerts: readonly AuditAct[];
}

/**
 * Compares a stored secret with a text, without giving it out. One that does not open is `rejected`: it must not keep its user
 * from consenting anew.
 */
export async function compareSecret(
  storage: Pick<Storage, "vault">,
  tx: Tx,
  stored: { readonly connection: SecretOwner; readonly purpose: SecretPurpose },
  text: string,
): Promise<Comparison> {
  const { connection, purpose } = stored;
  const secret = await findSecret(tx, connection, purpose);
  if (secret === undefined) return { outcome: "none", alerts: [] };
  try {
    const isSame = await storage.vault.holds(createVaultStore(tx), secret, text);
    return { outcome: isSame ? "same" : "other", alerts: [] };
  } catch (error) {
    if (!(error instanceof SealedRecordError)) throw error;
    return { outcome: "rejected", alerts: [rejectionAlert(connection, purpose, error.failure)] };
  }
}

/** The alert that a stored secret does not open. */
export function rejectionAlert(
  { connectionId, connector, institutionId }: Named,
  purpose: SecretPurpose | "refresh_answer" | "revocation",
  failure: string,
): AuditAct {
  const of = { connectionId, connector, institutionId };
  return { action: "security_alert", outcome: "secret_rejected", ...of, durationMs: 0, details: { purpose, failure } };
}

/** A stored secret as it is, sealed, with its place; undefined when there is none. */
export async function findSecret(
  db: Queryable,
  connection: SecretOwner,
  purpose: SecretPurpose,
): Promise<PlacedSecret | undefined> {
  const row = await db
    .selectFrom("connection_secrets")
    .select(["record_version", "data_key_id", "ciphertext"])
    .where("tenant", "=", connection.owner.tenant)
    .where("user_id", "=", connection.owner.userId)
    .where("connection_id", "=", connection.connectionId)
    .where("purpose", "=", purpose)
    .executeTakeFirst();
  if (row === undefined) return undefined;
  const sealed = { dataKeyId: row.data_key_id, ciphertext: row.ciphertext };
  return { place: secretPlaceOf(connection, purpose, row.record_version), sealed };
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
    connector: connection.connector,
    institutionId: connection.institutionId,
    durationMs: 0,
    details: { deleted: rows.map((row) => row.purpose).sort() },
  };
}

/** How the audit names a stored secret: purpose, record version and a keyed hash of the ciphertext. */
export function secretFingerprint(
  auditKey: Uint8Array,
  purpose: string,
  version: number,
  ciphertext: Uint8Array,
): string {
  return `${purpose}:${version}:h1:${hmac(auditKey).update(ciphertext).digest("hex")}`;
}

/** The form `secretFingerprint` had before it was keyed; entries that hold it stay as they are. */
export function unkeyedFingerprint(purpose: string, version: number, ciphertext: Uint8Array): string {
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

/** Where a secret of a connection belongs. */
export function secretPlaceOf(connection: SecretOwner, purpose: string, recordVersion: number): SecretPlace {
  const { owner, connectionId, institutionId } = connection;
  return { owner, recordId: connectionId, provider: institutionId, purpose, recordVersion };
}
