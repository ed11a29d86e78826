import { type RawBuilder, sql } from "kysely";
import { inTransaction } from "../../platform/db/transaction.ts";
import type { Connection } from "../domain/connection.ts";
import { toConnection } from "./connection-store.ts";
import { planByIndex } from "./index-plans.ts";
import { keyArrays } from "./key-columns.ts";
import type { Queryable, Storage, Tx } from "./storage.ts";
import type { ConnectionRow } from "./tables.ts";

const institutionsMax = 1_000;
// An answer that was lost is asked for this often out of turn, while a provider that rotated may still honour the old token.
const unsettledAsksMax = 4;

/** Who claims, and for how long of the database's time what he claims is his alone. */
export interface Claimant {
  readonly holder: string;
  readonly leaseMs: number;
}

/** An institution with due connections. */
export interface DueInstitution {
  readonly connector: string;
  readonly institutionId: string;
  /** Since when its longest waiting connection has been due. */
  readonly oldestDueAt: Date;
}

/** How many due connections of an institution to claim, none that were due before `after`. */
export interface DueRoom extends Pick<DueInstitution, "connector" | "institutionId"> {
  readonly room: number;
  readonly after: Date;
}

/** The institutions with connections due at `now`, at most 1000. Steps from one to the next in the index, whatever waits there. */
export async function findDueInstitutions(db: Queryable, now: Date): Promise<DueInstitution[]> {
  const { rows } = await sql<{ connector: string; institution_id: string; refresh_due_at: Date }>`
    with recursive queue as (
      (select connector, institution_id, refresh_due_at from connections
        where refresh_due_at is not null and refresh_holder is null
        order by connector, institution_id, refresh_due_at limit 1)
      union all
      select next.* from queue cross join lateral (
        select connector, institution_id, refresh_due_at from connections
        where refresh_due_at is not null and refresh_holder is null
          and (connector, institution_id) > (queue.connector, queue.institution_id)
        order by connector, institution_id, refresh_due_at limit 1) as next
    )
    select * from queue where refresh_due_at <= ${now} limit ${institutionsMax}`.execute(db);
  return rows.map((row) => ({
    connector: row.connector,
    institutionId: row.institution_id,
    oldestDueAt: row.refresh_due_at,
  }));
}

/**
 * Claims due connections, the longest waiting of each institution first, and writes an intent for each. Rows another replica is
 * claiming are passed over.
 */
export async function claimDue(
  storage: Storage,
  claimant: Claimant,
  due: { now: Date; rooms: readonly DueRoom[] },
): Promise<{ readonly flight: Connection; readonly dueAt: Date }[]> {
  const { rooms } = due;
  const rows = await inTransaction(storage.db, async (tx) => {
    await planByIndex(tx);
    return await claim(
      tx,
      claimant,
      sql`select next.ctid as place from unnest(${rooms.map((room) => room.connector)}::text[],
          ${rooms.map((room) => room.institutionId)}::text[], ${rooms.map((room) => room.after)}::timestamptz[],
          ${rooms.map((room) => room.room)}::integer[]) as wanted (connector, institution_id, after, room)
        cross join lateral (
          select ctid from connections
          where connector = wanted.connector and institution_id = wanted.institution_id
            and refresh_due_at >= wanted.after and refresh_due_at <= ${due.now}
            and refresh_holder is null and state <> 'REVOKED'
          order by refresh_due_at limit wanted.room for update skip locked) as next`,
    );
  });
  return rows.map((row) => ({ flight: toConnection(row), dueAt: row.refresh_due_at ?? due.now }));
}

/**
 * Claims what goes before whatever is merely due, up to `limit` of each kind: flights that a dead process left, whose leases have ended,
 * and due connections whose provider may have rotated the token without our having the answer.
 */
export async function claimOutOfTurn(
  storage: Storage,
  claimant: Claimant,
  due: { now: Date; limit: number },
): Promise<Connection[]> {
  const rows = await inTransaction(storage.db, async (tx) => {
    await planByIndex(tx);
    const abandoned = await claim(tx, claimant, abandonedPlaces(due.limit));
    if (abandoned.length > 0) await endIntentsBefore(tx, abandoned);
    return [...abandoned, ...(await claim(tx, claimant, unsettledPlaces(due)))];
  });
  return rows.map(toConnection);
}

/** Through the intents of what is under way: an index of leases would make every claim write all indexes of the connections. */
function abandonedPlaces(limit: number): RawBuilder<unknown> {
  return sql`select held.ctid as place from refresh_intents intent
    join connections held on held.tenant = intent.tenant and held.user_id = intent.user_id
      and held.connection_id = intent.connection_id and held.refresh_epoch = intent.epoch
    where not intent.is_over and held.refresh_holder is not null and held.refresh_lease_until < clock_timestamp()
      and held.state <> 'REVOKED'
    order by intent.begun_at limit ${limit}::integer for update of held skip locked`;
}

/** The intents of flights that were taken over stay, for their answers are missing, and nobody looks for their flights any more. */
async function endIntentsBefore(db: Queryable | Tx, claimed: readonly ConnectionRow[]): Promise<void> {
  const flights = claimed.map(toConnection);
  await sql`
    update refresh_intents intent set is_over = true
    from unnest(${keyArrays(flights)}, ${flights.map((flight) => flight.refreshEpoch)}::bigint[])
      as flown (tenant, user_id, connection_id, epoch)
    where intent.tenant = flown.tenant and intent.user_id = flown.user_id and intent.connection_id = flown.connection_id
      and intent.epoch < flown.epoch and not intent.is_over`.execute(db);
}

function unsettledPlaces(due: { now: Date; limit: number }): RawBuilder<unknown> {
  return sql`select ctid as place from connections
    where refresh_unsettled and refresh_holder is null and refresh_due_at <= ${due.now} and state <> 'REVOKED'
      and refresh_failures <= ${unsettledAsksMax}
    order by refresh_due_at limit ${due.limit}::integer for update skip locked`;
}

/**
 * Takes the right to refresh one connection if nobody holds it, the tokens are still those the caller saw, and the consent stands.
 * The epoch in the answer fences every later write of this flight.
 */
export async function claimFlight(
  db: Queryable,
  wanted: { seen: Connection } & Claimant,
): Promise<Connection | undefined> {
  const { seen } = wanted;
  const rows = await claim(
    db,
    wanted,
    sql`select ctid as place from connections
      where tenant = ${seen.owner.tenant} and user_id = ${seen.owner.userId} and connection_id = ${seen.connectionId}::uuid
        and generation = ${seen.generation} and token_version = ${seen.tokenVersion}
        and state <> 'REVOKED' and state_reason <> 'consent_ended'
        and (refresh_lease_until is null or refresh_lease_until < clock_timestamp()) for update`,
  );
  const [row] = rows;
  // Should the process die before this, the intent of the flight that was taken over is looked at in vain until a refresh succeeds.
  const wasFlown = seen.refreshHolder !== undefined || (row?.refresh_epoch ?? 0n) > seen.refreshEpoch + 1n;
  if (row !== undefined && wasFlown) await endIntentsBefore(db, [row]);
  return row && toConnection(row);
}

/** Claims the rows at the places a query has locked, and writes their intents in the same statement. */
async function claim(db: Queryable | Tx, claimant: Claimant, places: RawBuilder<unknown>): Promise<ConnectionRow[]> {
  const { rows } = await sql<ConnectionRow>`
    with places as materialized (${places}),
    claimed as (
      update connections set refresh_epoch = refresh_epoch + 1, refresh_holder = ${claimant.holder},
        refresh_lease_until = clock_timestamp() + make_interval(secs => ${claimant.leaseMs / 1000}::float8),
        refresh_outcome = null, refresh_unsettled = false
      from places where connections.ctid = places.place
      returning connections.*
    ),
    intents as (
      insert into refresh_intents (tenant, user_id, connection_id, epoch, generation, token_version, holder)
      select tenant, user_id, connection_id, refresh_epoch, generation, token_version, refresh_holder from claimed
    )
    select * from claimed`.execute(db);
  return rows;
}
