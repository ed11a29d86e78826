import { timingSafeEqual } from "node:crypto";
import type { Selectable } from "kysely";
import { keyedHash } from "../../platform/secrets/keyed-hash.ts";
import type { PlacedSecret, SecretPlace } from "../../platform/vault/vault.ts";
import type { Actor } from "../domain/audit.ts";
import type { Owner } from "../domain/connection.ts";
import type { Queryable, Storage, Tx } from "./storage.ts";
import type { Tables } from "./tables.ts";
import { createVaultStore } from "./vault-store.ts";

/** A consent that was begun, with its proofs (PKCE verifier, nonce) opened. */
export interface ConnectAttempt {
  readonly owner: Owner;
  readonly attemptId: string;
  readonly connector: string;
  readonly institutionId: string;
  readonly redirectUri: string;
  readonly proofs: string;
  /** The connection whose consent is renewed; undefined for a new one. */
  readonly connectionId?: string | undefined;
}

/** What names a stored consent. */
export type AttemptKey = Pick<ConnectAttempt, "owner" | "attemptId">;

/** What became of a consent. */
export type AttemptStatus = Tables["connect_attempts"]["status"];

/** A consent to store. `state` is kept as a keyed hash only. */
export interface NewAttempt extends ConnectAttempt {
  readonly state: string;
  readonly createdAt: Date;
  readonly expiresAt: Date;
  /** Where the user's browser goes in the end; undefined where the caller takes the callback himself. */
  readonly returnUrl?: string | undefined;
  /** The mark of the browser that alone may end it; kept as a keyed hash. Undefined where an app began it. */
  readonly browserMark?: string | undefined;
}

/** A consent that was taken, its proofs still sealed. */
export interface TakenAttempt extends Omit<ConnectAttempt, "proofs"> {
  readonly sealedProofs: PlacedSecret;
}

/** Stores a consent that begins. */
export async function insertAttempt(storage: Storage, tx: Tx, attempt: NewAttempt): Promise<void> {
  const sealed = await storage.vault.seal(createVaultStore(tx), attemptPlace(attempt, "proofs"), attempt.proofs);
  await tx
    .insertInto("connect_attempts")
    .values({
      ...attemptColumns(storage, attempt.owner, attempt.state),
      attempt_id: attempt.attemptId,
      connector: attempt.connector,
      institution_id: attempt.institutionId,
      redirect_uri: attempt.redirectUri,
      status: "started",
      proofs_data_key_id: sealed.dataKeyId,
      sealed_proofs: Buffer.from(sealed.ciphertext),
      code_data_key_id: null,
      sealed_code: null,
      created_at: attempt.createdAt,
      expires_at: attempt.expiresAt,
      exchanging_since: null,
      connection_id: attempt.connectionId ?? null,
      return_url: attempt.returnUrl ?? null,
      browser_hash: attempt.browserMark === undefined ? null : markHash(storage, attempt.browserMark),
    })
    .execute();
}

/** How a consent is named by who ends it. */
export type AttemptName = { readonly state: string } | { readonly stateHash: Uint8Array };

/** A consent as its callback finds it: by the state alone. */
export interface FoundAttempt {
  readonly owner: Owner;
  readonly connector: string;
  readonly stateHash: Uint8Array;
  readonly returnUrl: string | undefined;
  readonly institutionId: string;
  /** The hash of the mark of the browser that alone may end it. */
  readonly browserHash: Uint8Array | undefined;
}

/** Whether a browser with this mark, or with none, may end a consent. */
export function mayEnd(
  storage: Pick<Storage, "browserMarkKey">,
  attempt: Pick<FoundAttempt, "browserHash">,
  browserMark: string | undefined,
): boolean {
  if (attempt.browserHash === undefined) return true;
  return browserMark !== undefined && timingSafeEqual(attempt.browserHash, markHash(storage, browserMark));
}

function markHash({ browserMarkKey }: Pick<Storage, "browserMarkKey">, browserMark: string): Buffer {
  return keyedHash(browserMarkKey, `stored\n${browserMark}`);
}

/** The consent of a state, whatever became of it; undefined for a state nobody was given. */
export async function findAttemptByState(
  storage: Pick<Storage, "db" | "stateHashKey">,
  state: string,
): Promise<FoundAttempt | undefined> {
  const row = await storage.db.query
    .selectFrom("connect_attempts")
    .selectAll()
    .where("state_hash", "=", keyedHash(storage.stateHashKey, state))
    .executeTakeFirst();
  return row && foundAttempt(row);
}

/** The newest consent of an owner that waits for its end at a provider. */
export async function findStartedAttempt(
  db: Queryable,
  search: { owner: Owner; connector: string; now: Date },
): Promise<FoundAttempt | undefined> {
  const row = await db
    .selectFrom("connect_attempts")
    .selectAll()
    .where("tenant", "=", search.owner.tenant)
    .where("user_id", "=", search.owner.userId)
    .where("connector", "=", search.connector)
    .where("status", "=", "started")
    .where("expires_at", ">", search.now)
    .orderBy("created_at", "desc")
    .executeTakeFirst();
  return row && foundAttempt(row);
}

function foundAttempt(row: Selectable<Tables["connect_attempts"]>): FoundAttempt {
  return {
    owner: { tenant: row.tenant, userId: row.user_id },
    connector: row.connector,
    stateHash: row.state_hash,
    returnUrl: row.return_url ?? undefined,
    institutionId: row.institution_id,
    browserHash: row.browser_hash ?? undefined,
  };
}

/**
 * Takes a started, unexpired consent: one caller gets it, everyone after him undefined. The code is sealed into the row,
 * so that whoever finds the row later can make the bank undo an exchange whose answer was lost.
 */
export async function consumeAttempt(
  storage: Storage,
  tx: Tx,
  work: { owner: Owner; code: string | undefined; now: Date } & AttemptName,
): Promise<TakenAttempt | undefined> {
  const { owner, code, now } = work;
  const stateHash = "state" in work ? keyedHash(storage.stateHashKey, work.state) : Buffer.from(work.stateHash);
  const columns = { tenant: owner.tenant, user_id: owner.userId, state_hash: stateHash };
  const row = await tx
    .updateTable("connect_attempts")
    .set({ status: code === undefined ? "failed" : "exchanging", exchanging_since: now })
    .where("tenant", "=", columns.tenant)
    .where("user_id", "=", columns.user_id)
    .where("state_hash", "=", columns.state_hash)
    .where("status", "=", "started")
    .where("expires_at", ">", now)
    .returningAll()
    .executeTakeFirst();
  if (row === undefined) return undefined;
  const facts = { owner, attemptId: row.attempt_id, institutionId: row.institution_id };
  const sealed = { dataKeyId: row.proofs_data_key_id, ciphertext: row.sealed_proofs };
  const sealedProofs = { place: attemptPlace(facts, "proofs"), sealed };
  if (code !== undefined) {
    const sealed = await storage.vault.seal(createVaultStore(tx), attemptPlace(facts, "code"), code);
    await tx
      .updateTable("connect_attempts")
      .set({ code_data_key_id: sealed.dataKeyId, sealed_code: Buffer.from(sealed.ciphertext) })
      .where("tenant", "=", columns.tenant)
      .where("user_id", "=", columns.user_id)
      .where("state_hash", "=", columns.state_hash)
      .execute();
  }
  const { connector, redirect_uri: redirectUri } = row;
  const connectionId = row.connection_id ?? undefined;
  return { ...facts, connector, redirectUri, connectionId, sealedProofs };
}

/** Opens the proofs of a taken consent, after the transaction that took it. */
export async function openAttempt(
  storage: Pick<Storage, "openings">,
  taken: TakenAttempt,
  reader: { actor: Actor; now: Date },
): Promise<ConnectAttempt> {
  const { sealedProofs, ...facts } = taken;
  const reading = { ...sealedProofs, ...reader, connector: facts.connector, operation: "complete_connect" };
  return { ...facts, proofs: await storage.openings.open(reading) };
}

/** Ends a consent under exchange and forgets its code; false when someone else has ended it. */
export async function finishAttempt(
  db: Queryable,
  attempt: AttemptKey,
  status: "completed" | "failed" | "cleaned",
): Promise<boolean> {
  const result = await db
    .updateTable("connect_attempts")
    .set({ status, code_data_key_id: null, sealed_code: null })
    .where("tenant", "=", attempt.owner.tenant)
    .where("user_id", "=", attempt.owner.userId)
    .where("attempt_id", "=", attempt.attemptId)
    .where("status", "=", "exchanging")
    .executeTakeFirst();
  return result.numUpdatedRows === 1n;
}

function attemptColumns(storage: Pick<Storage, "stateHashKey">, owner: Owner, state: string) {
  return { tenant: owner.tenant, user_id: owner.userId, state_hash: keyedHash(storage.stateHashKey, state) };
}

/** Where a secret of an attempt is sealed for; each is written once, so the record version never moves. */
export function attemptPlace(
  attempt: { readonly owner: Owner; readonly attemptId: string; readonly institutionId: string },
  purpose: "proofs" | "code",
): SecretPlace {
  const { owner, attemptId, institutionId } = attempt;
  return { owner, recordId: attemptId, provider: institutionId, purpose: `attempt_${purpose}`, recordVersion: 1 };
}
