import { sql } from "kysely";
import type { Actor } from "../domain/audit.ts";
import type { Connection } from "../domain/connection.ts";
import { keyArrays } from "./key-columns.ts";
import { connectionsWithAnswers } from "./refresh-journal.ts";
import { type SecretPurpose, secretPlaceOf } from "./secret-store.ts";
import type { Queryable, Storage } from "./storage.ts";

/** A flight about to begin. */
export interface FlightToRead {
  readonly flight: Connection;
  readonly actor: Actor;
  readonly now: Date;
  /** What the provider is to be shown; the access token where that is what it replaces. */
  readonly purpose: Extract<SecretPurpose, "refresh_token" | "access_token">;
}

/** What a flight begins with. */
export interface FlightStart {
  /** An answer of an earlier flight waits in the journal. */
  readonly hasAnswer: boolean;
  /** Opens the token to be shown, its audit row first; undefined when there is none. Throws `SealedRecordError`. */
  openToken(): Promise<string | undefined>;
}

/** Reads what many flights begin with, in two statements. Nothing is opened yet, and no data key looked up. */
export async function readFlights(storage: Storage, flights: readonly FlightToRead[]): Promise<FlightStart[]> {
  const db = storage.db.query;
  const keys = flights.map(({ flight }) => flight);
  const rows = await tokensOf(db, flights);
  const answered = await connectionsWithAnswers(db, keys);
  const byConnection = new Map(rows.map((row) => [row.connection_id, row]));
  return flights.map(({ flight, actor, now, purpose }) => {
    const row = byConnection.get(flight.connectionId);
    return {
      hasAnswer: answered.has(flight.connectionId),
      openToken: async () => {
        if (row === undefined) return undefined;
        const place = secretPlaceOf(flight, purpose, row.record_version);
        const sealed = { dataKeyId: row.data_key_id, ciphertext: row.ciphertext };
        const { connectionId, connector } = flight;
        return await storage.openings.open({
          place,
          sealed,
          connectionId,
          connector,
          operation: "refresh",
          actor,
          now,
        });
      },
    };
  });
}

interface TokenRow {
  readonly tenant: string;
  readonly user_id: string;
  readonly connection_id: string;
  readonly record_version: number;
  readonly data_key_id: string;
  readonly ciphertext: Uint8Array;
}

// Lateral with a limit: each row is found by its key, whatever the planner thinks of the tables' sizes.
async function tokensOf(db: Queryable, flights: readonly FlightToRead[]): Promise<TokenRow[]> {
  const keys = flights.map(({ flight }) => flight);
  const { rows } = await sql<TokenRow>`
    select flown.tenant, flown.user_id, flown.connection_id, secret.record_version, secret.data_key_id, secret.ciphertext
    from unnest(${keyArrays(keys)}, ${flights.map(({ purpose }) => purpose)}::text[])
      as flown (tenant, user_id, connection_id, purpose)
    cross join lateral (
      select record_version, data_key_id, ciphertext from connection_secrets
      where tenant = flown.tenant and user_id = flown.user_id and connection_id = flown.connection_id
        and connection_secrets.purpose = flown.purpose limit 1
    ) as secret`.execute(db);
  return rows;
}
