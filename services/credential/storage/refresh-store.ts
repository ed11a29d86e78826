import { sql } from "kysely";
import type { SecretPlace } from "../../platform/vault/vault.ts";
import type { Actor } from "../domain/audit.ts";
import type { Connection, ConnectionKey } from "../domain/connection.ts";
import type { Standing } from "../domain/connection-state.ts";
import { toConnection, toKey } from "./connection-store.ts";
import type { Queryable, Storage, Tx } from "./storage.ts";
import { createVaultStore } from "./vault-store.ts";

/** How a flight ended, for those who waited for it. */
export type FlightOutcome = "refreshed" | "refused" | "unavailable" | "client_refused";

/**
 * Takes the right to refresh a connection, for `leaseMs` of the database's time, if nobody holds it, the tokens are still those the
 * caller saw, and the consent stands. The epoch in the answer fences every later write of this flight.
 */
export async function claimFlight(
  db: Queryable,
  claim: { seen: Connection; holder: string; leaseMs: number },
): Promise<Connection | undefined> {
  const { seen, holder, leaseMs } = claim;
  const row = await db
    .updateTable("connections")
    .set({
      refresh_epoch: sql<bigint>`refresh_epoch + 1`,
      refresh_holder: holder,
      refresh_lease_until: sql<Date>`clock_timestamp() + make_interval(secs => ${leaseMs / 1000}::float8)`,
      refresh_outcome: null,
    })
    .where("tenant", "=", seen.owner.tenant)
    .where("user_id", "=", seen.owner.userId)
    .where("connection_id", "=", seen.connectionId)
    .where("generation", "=", seen.generation)
    .where("token_version", "=", seen.tokenVersion)
    .where("state", "<>", "REVOKED")
    .where("state_reason", "<>", "consent_ended")
    .where(sql<boolean>`(refresh_lease_until is null or refresh_lease_until < clock_timestamp())`)
    .returningAll()
    .executeTakeFirst();
  return row && toConnection(row);
}

/** What a flight writes when it ends with new tokens. */
export interface RefreshedColumns {
  readonly standing: Standing;
  readonly hasRefreshToken: boolean;
  readonly hasCredential: boolean;
  readonly accessTokenExpiresAt: Date | undefined;
  readonly credentialExpiresAt: Date | undefined;
  readonly refreshDueAt: Date | undefined;
  readonly now: Date;
}

/** Ends a flight with success, if it still is this connection's flight; false when it was overtaken. */
export async function landFlight(tx: Tx, flight: Connection, columns: RefreshedColumns): Promise<boolean> {
  const result = await flightUpdate(tx, flight)
    .set({
      state: columns.standing.state,
      state_reason: columns.standing.reason,
      state_since: sql<Date>`case when state = ${columns.standing.state} then state_since else ${columns.now} end`,
      token_version: sql<bigint>`token_version + 1`,
      has_access_token: true,
      has_refresh_token: columns.hasRefreshToken,
      has_credential: columns.hasCredential,
      access_token_expires_at: columns.accessTokenExpiresAt ?? null,
      credential_expires_at: columns.credentialExpiresAt ?? null,
      refresh_due_at: columns.refreshDueAt ?? null,
      refresh_outcome: "refreshed",
      refresh_failures: 0,
      refresh_holder: null,
      refresh_lease_until: null,
      updated_at: columns.now,
    })
    .executeTakeFirst();
  return result.numUpdatedRows === 1n;
}

/** Ends a flight without new tokens, if it still is this connection's flight; false when it was overtaken. */
export async function abortFlight(
  tx: Tx,
  flight: Connection,
  end: { outcome: FlightOutcome; standing: Standing; retryAt: Date | undefined; now: Date },
): Promise<boolean> {
  const result = await flightUpdate(tx, flight)
    .set({
      state: end.standing.state,
      state_reason: end.standing.reason,
      state_since: sql<Date>`case when state = ${end.standing.state} then state_since else ${end.now} end`,
      refresh_due_at: end.retryAt ?? null,
      refresh_outcome: end.outcome,
      refresh_failures: sql<number>`refresh_failures + 1`,
      refresh_holder: null,
      refresh_lease_until: null,
      updated_at: end.now,
    })
    .executeTakeFirst();
  return result.numUpdatedRows === 1n;
}

/**
 * Keeps what the bank answered, sealed, before anything is done with it. Not fenced by the epoch: a rotated refresh token is
 * precious whoever holds the lease by now. Ignored when the connection has had a newer consent, or is gone.
 */
export async function journalAnswer(
  storage: Storage,
  tx: Tx,
  flight: Connection,
  answer: { readonly text: string; readonly now: Date },
): Promise<boolean> {
  const live = await tx
    .selectFrom("connections")
    .select("connection_id")
    .where("tenant", "=", flight.owner.tenant)
    .where("user_id", "=", flight.owner.userId)
    .where("connection_id", "=", flight.connectionId)
    .where("generation", "=", flight.generation)
    .where("state", "<>", "REVOKED")
    .forUpdate()
    .executeTakeFirst();
  if (live === undefined) return false;
  const place = placeOf(flight, flight.refreshEpoch);
  const sealed = await storage.vault.seal(createVaultStore(tx), place, answer.text);
  await tx
    .insertInto("refresh_journal")
    .values({
      tenant: flight.owner.tenant,
      user_id: flight.owner.userId,
      connection_id: flight.connectionId,
      epoch: flight.refreshEpoch,
      generation: flight.generation,
      data_key_id: sealed.dataKeyId,
      sealed_answer: Buffer.from(sealed.ciphertext),
      answered_at: answer.now,
    })
    // A repeat after a lost commit: the answer of this flight is here already.
    .onConflict((conflict) => conflict.doNothing())
    .execute();
  return true;
}

/** The newest journaled answer for this consent that no flight has landed yet, opened. Not inside a transaction. */
export async function findJournaledAnswer(
  storage: Pick<Storage, "db" | "openings">,
  flight: Connection,
  reader: { actor: Actor; now: Date },
): Promise<string | undefined> {
  const row = await storage.db.query
    .selectFrom("refresh_journal")
    .select(["epoch", "data_key_id", "sealed_answer"])
    .where("tenant", "=", flight.owner.tenant)
    .where("user_id", "=", flight.owner.userId)
    .where("connection_id", "=", flight.connectionId)
    .where("generation", "=", flight.generation)
    .orderBy("epoch", "desc")
    .executeTakeFirst();
  if (row === undefined) return undefined;
  const sealed = { dataKeyId: row.data_key_id, ciphertext: row.sealed_answer };
  const { connectionId } = flight;
  const place = placeOf(flight, row.epoch);
  return await storage.openings.open({ place, sealed, connectionId, operation: "replay_journal", ...reader });
}

/** Forgets the journal of a connection up to and including a flight. */
export async function clearJournal(tx: Tx, flight: Connection): Promise<void> {
  await tx
    .deleteFrom("refresh_journal")
    .where("tenant", "=", flight.owner.tenant)
    .where("user_id", "=", flight.owner.userId)
    .where("connection_id", "=", flight.connectionId)
    .where("epoch", "<=", flight.refreshEpoch)
    .execute();
}

/**
 * Connections that want a refresh without being asked: due ones nobody works on, and those whose flight was left behind by a dead
 * process. The longest waiting first. Only a hint: `claimFlight` decides.
 */
export async function findDueRefreshes(db: Queryable, now: Date, limit: number): Promise<ConnectionKey[]> {
  const columns = ["tenant", "user_id", "connection_id"] as const;
  const abandoned = await db
    .selectFrom("connections")
    .select(columns)
    .where("refresh_holder", "is not", null)
    .where(sql<boolean>`refresh_lease_until < clock_timestamp()`)
    .where("state", "<>", "REVOKED")
    .orderBy("refresh_lease_until")
    .limit(limit)
    .execute();
  const due = await db
    .selectFrom("connections")
    .select(columns)
    .where("refresh_due_at", "<=", now)
    .where("refresh_holder", "is", null)
    .where("state", "<>", "REVOKED")
    .orderBy("refresh_due_at")
    .limit(limit)
    .execute();
  return [...abandoned, ...due].slice(0, limit).map(toKey);
}

function flightUpdate(tx: Tx, flight: Connection) {
  return tx
    .updateTable("connections")
    .where("tenant", "=", flight.owner.tenant)
    .where("user_id", "=", flight.owner.userId)
    .where("connection_id", "=", flight.connectionId)
    .where("generation", "=", flight.generation)
    .where("refresh_epoch", "=", flight.refreshEpoch)
    .where("state", "<>", "REVOKED");
}

function placeOf(flight: Connection, epoch: bigint): SecretPlace {
  return {
    owner: flight.owner,
    recordId: `${flight.connectionId}/${epoch}`,
    provider: flight.institutionId,
    purpose: "refresh_answer",
    recordVersion: flight.generation,
  };
}
