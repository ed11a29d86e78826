import { sql } from "kysely";
import type { Connection } from "../domain/connection.ts";
import type { Standing } from "../domain/connection-state.ts";
import type { RefreshFailure } from "../domain/refresh-schedule.ts";
import { keyArrays } from "./key-columns.ts";
import type { Queryable, Tx } from "./storage.ts";

/** How a flight ended, for those who waited for it. */
export type FlightOutcome = "refreshed" | RefreshFailure;

/** What a flight writes when it ends with new tokens. */
export interface RefreshedColumns {
  readonly standing: Standing;
  readonly hasRefreshToken: boolean;
  readonly hasCredential: boolean;
  readonly accessTokenExpiresAt: Date | undefined;
  readonly credentialExpiresAt: Date | undefined;
  /** Undefined: as before. */
  readonly consentExpiresAt: Date | undefined;
  readonly refreshDueAt: Date | undefined;
  readonly now: Date;
}

/** A flight to end with success. */
export interface Landing {
  readonly flight: Connection;
  readonly columns: RefreshedColumns;
  /** How many secrets it stores; their record versions are taken with it. */
  readonly secrets: number;
}

/**
 * Ends flights with success, those that still are their connection's flight: the first record version for the secrets of each, by
 * connection id. One that was overtaken is not in the answer.
 */
export async function landFlights(tx: Tx, landings: readonly Landing[]): Promise<Map<string, number>> {
  const of = <T>(read: (landing: Landing) => T): T[] => landings.map(read);
  const { rows } = await sql<{ connection_id: string; first_version: number }>`
    update connections held set
      state = landed.state,
      state_reason = landed.state_reason,
      state_since = case when held.state = landed.state then held.state_since else landed.at end,
      token_version = held.token_version + 1,
      secrets_version = held.secrets_version + landed.secrets,
      has_access_token = true,
      has_refresh_token = landed.has_refresh_token,
      has_credential = landed.has_credential,
      access_token_expires_at = landed.access_token_expires_at,
      credential_expires_at = landed.credential_expires_at,
      consent_expires_at = coalesce(landed.consent_expires_at, held.consent_expires_at),
      refresh_due_at = landed.refresh_due_at,
      refresh_outcome = 'refreshed',
      refresh_failures = 0,
      refresh_holder = null,
      refresh_lease_until = null,
      updated_at = landed.at
    from unnest(${keyArrays(of((landing) => landing.flight))}, ${of(({ flight }) => flight.generation)}::integer[],
      ${of(({ flight }) => flight.refreshEpoch)}::bigint[], ${of(({ secrets }) => secrets)}::integer[],
      ${of(({ columns }) => columns.standing.state)}::text[], ${of(({ columns }) => columns.standing.reason)}::text[],
      ${of(({ columns }) => columns.hasRefreshToken)}::boolean[], ${of(({ columns }) => columns.hasCredential)}::boolean[],
      ${of(({ columns }) => columns.accessTokenExpiresAt ?? null)}::timestamptz[],
      ${of(({ columns }) => columns.credentialExpiresAt ?? null)}::timestamptz[],
      ${of(({ columns }) => columns.consentExpiresAt ?? null)}::timestamptz[],
      ${of(({ columns }) => columns.refreshDueAt ?? null)}::timestamptz[], ${of(({ columns }) => columns.now)}::timestamptz[])
      as landed (tenant, user_id, connection_id, generation, epoch, secrets, state, state_reason, has_refresh_token,
        has_credential, access_token_expires_at, credential_expires_at, consent_expires_at, refresh_due_at, at)
    where held.tenant = landed.tenant and held.user_id = landed.user_id and held.connection_id = landed.connection_id
      and held.generation = landed.generation and held.refresh_epoch = landed.epoch and held.state <> 'REVOKED'
    returning held.connection_id, held.secrets_version - landed.secrets + 1 as first_version`.execute(tx);
  return new Map(rows.map((row) => [row.connection_id, row.first_version]));
}

/** How a flight ends without new tokens. */
export interface FlightEnd {
  readonly outcome: RefreshFailure;
  readonly standing: Standing;
  readonly retryAt: Date | undefined;
  /** In a row, this one counted. */
  readonly failures: number;
  /** The provider may have rotated the token all the same: the intent stays, and the next flight goes before what is merely due. */
  readonly isUnsettled: boolean;
  readonly now: Date;
}

/** Ends a flight without new tokens, if it still is this connection's flight; false when it was overtaken. */
export async function abortFlight(tx: Tx, flight: Connection, end: FlightEnd): Promise<boolean> {
  const result = await flightUpdate(tx, flight)
    .set({
      state: end.standing.state,
      state_reason: end.standing.reason,
      state_since: sql<Date>`case when state = ${end.standing.state} then state_since else ${end.now} end`,
      refresh_due_at: end.retryAt ?? null,
      refresh_outcome: end.outcome,
      refresh_failures: end.failures,
      refresh_unsettled: end.isUnsettled,
      refresh_holder: null,
      refresh_lease_until: null,
      updated_at: end.now,
    })
    .executeTakeFirst();
  if (result.numUpdatedRows !== 1n) return false;
  if (end.isUnsettled) await endIntent(tx, flight);
  else await clearIntent(tx, flight);
  return true;
}

/** Gives a flight back as if it had never been: its provider was not asked for tokens, and nobody who waits is told of a failure. */
export async function releaseFlight(tx: Tx, flight: Connection): Promise<void> {
  const free = { refresh_holder: null, refresh_lease_until: null, refresh_outcome: null };
  await flightUpdate(tx, flight).set(free).execute();
  await clearIntent(tx, flight);
}

/** Forgets the intent of one flight: its provider has answered it, or was never asked. */
async function clearIntent(tx: Tx, flight: Connection): Promise<void> {
  await sql`delete from refresh_intents where ${isIntentOf(flight)}`.execute(tx);
}

/** Keeps the intent of a flight that has ended without the provider's answer. */
async function endIntent(tx: Tx, flight: Connection): Promise<void> {
  await sql`update refresh_intents set is_over = true where ${isIntentOf(flight)}`.execute(tx);
}

function isIntentOf({ owner, connectionId, refreshEpoch }: Connection) {
  return sql`tenant = ${owner.tenant} and user_id = ${owner.userId} and connection_id = ${connectionId}::uuid
    and epoch = ${refreshEpoch}`;
}

/** Whether the provider may have acted on an earlier refresh with the same token, without our having the answer. */
export async function hasUnsettledIntent(db: Queryable, flight: Connection): Promise<boolean> {
  const row = await db
    .selectFrom("refresh_intents")
    .select("epoch")
    .where("tenant", "=", flight.owner.tenant)
    .where("user_id", "=", flight.owner.userId)
    .where("connection_id", "=", flight.connectionId)
    .where("token_version", "=", flight.tokenVersion)
    .where("epoch", "<", flight.refreshEpoch)
    .executeTakeFirst();
  return row !== undefined;
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
