import { sql } from "kysely";
import { sqlStateOf } from "../../platform/db/transaction.ts";
import type { WebhookEffect } from "../connectors/webhook-reader.ts";
import type { ConnectionKey } from "../domain/connection.ts";
import { isEffectKind, standingKinds } from "../webhooks/event-rules.ts";
import type { WebhookEventRow } from "./provider-tables.ts";
import type { Queryable } from "./storage.ts";

const uniqueViolation = "23505";
const candidatesMax = 500;

/** An event taken to be worked off. */
export interface ClaimedWebhook {
  readonly connector: string;
  readonly webhookId: string;
  /** Fences every later write of this claim. */
  readonly holder: string;
  readonly providerEventId: string | undefined;
  readonly type: string;
  readonly providerReference: string | undefined;
  readonly ownerReference: string | undefined;
  /** Undefined for a word of a newer release, after a rollback. */
  readonly effect: WebhookEffect | undefined;
  readonly eventAt: Date;
  readonly queuedAt: Date;
  /** This one included. */
  readonly attempts: number;
}

/** How an event ended. `reread`: it was a body nobody understood, and its events are in the queue by themselves now. */
export type WebhookOutcome = "applied" | "superseded" | "disconnected" | "ignored" | "reread";

/** What a claim may take. */
export interface WebhookClaim {
  readonly holder: string;
  readonly now: Date;
  readonly leaseUntil: Date;
  /** Of all providers together. */
  readonly limit: number;
  /** How many of a provider; of one that is not named, up to the limit. */
  readonly rooms?: ReadonlyMap<string, number>;
}

/**
 * Takes due events, at most one a connection and none of a connection that has one under way; of several the one that happened
 * first. They are invisible to others until `leaseUntil`; those of a dead process come back after it. Attempts are counted at once,
 * so that an event which kills its process still comes to an end.
 */
export async function claimWebhooks(db: Queryable, claim: WebhookClaim): Promise<ClaimedWebhook[]> {
  const { holder, now, leaseUntil, limit, rooms = new Map() } = claim;
  try {
    // Goes from one provider to the next in the index, however many events of one are waiting.
    const { rows } = await sql<WebhookEventRow>`
      with recursive waiting (connector) as (
        (select connector from webhook_events where state = 'queued' order by connector limit 1)
        union all
        select (select connector from webhook_events where state = 'queued' and connector > waiting.connector
            order by connector limit 1)
          from waiting where waiting.connector is not null
      ), rooms as materialized (
        select * from unnest(${[...rooms.keys()]}::text[], ${[...rooms.values()]}::int[]) as rooms (connector, room)
      ), due as (
        (select next.* from waiting cross join lateral (
          select connector, webhook_id, provider_reference, due_at, event_at, arrival, state from webhook_events
            where connector = waiting.connector and state = 'queued' and due_at <= ${now}::timestamptz
            order by due_at limit ${candidatesMax}::int) as next)
        union all
        (select connector, webhook_id, provider_reference, due_at, event_at, arrival, state from webhook_events
          where state = 'processing' and lease_until <= ${now}::timestamptz order by lease_until limit ${candidatesMax}::int)
      ), heads as (
        select distinct on (connector, coalesce(provider_reference, webhook_id::text)) * from due
        order by connector, coalesce(provider_reference, webhook_id::text), (state = 'processing') desc, event_at, arrival
      ), free as (
        select connector, webhook_id, row_number() over (partition by connector order by due_at) as place from heads
        where state = 'processing' or not exists (
          select from webhook_events other where other.connector = heads.connector
            and other.provider_reference = heads.provider_reference and other.state = 'processing')
      ), claimed as (
        select event.connector, event.webhook_id
        from webhook_events event join free using (connector, webhook_id) left join rooms using (connector)
        where free.place <= coalesce(rooms.room, ${limit}::int) and (
          (event.state = 'queued' and event.due_at <= ${now}::timestamptz)
          or (event.state = 'processing' and event.lease_until <= ${now}::timestamptz))
        order by event.due_at limit ${limit}::int for update of event skip locked
      )
      update webhook_events event
      set state = 'processing', holder = ${holder}::uuid, lease_until = ${leaseUntil}::timestamptz, attempts = attempts + 1
      from claimed where event.connector = claimed.connector and event.webhook_id = claimed.webhook_id
      returning event.*`.execute(db);
    return rows.map((row) => toClaimed(row, holder));
  } catch (error) {
    // Another replica took an event of one of these connections at the same moment; the next claim sees it.
    if (sqlStateOf(error) === uniqueViolation) return [];
    throw error;
  }
}

/** Ends an event. False when the claim was lost meanwhile. */
export async function finishWebhook(
  db: Queryable,
  claimed: ClaimedWebhook,
  end: { outcome: WebhookOutcome; connection: ConnectionKey | undefined; now: Date },
): Promise<boolean> {
  const { outcome, connection, now } = end;
  return await release(db, claimed, { state: "done", outcome, error: "", finished_at: now, ...columnsOf(connection) });
}

/** Gives an event up as a dead letter; an operator may have it replayed. */
export async function buryWebhook(
  db: Queryable,
  claimed: ClaimedWebhook,
  end: { error: string; now: Date },
): Promise<boolean> {
  return await release(db, claimed, { state: "dead", error: end.error, finished_at: end.now });
}

/** Puts an event back until `dueAt`. */
export async function postponeWebhook(
  db: Queryable,
  claimed: ClaimedWebhook,
  next: { error: string; dueAt: Date; attempts?: number },
): Promise<boolean> {
  const { error, dueAt, attempts = claimed.attempts } = next;
  return await release(db, claimed, { state: "queued", error, due_at: dueAt, attempts });
}

/** Puts a thin event back with what it turned out to be; it takes its turn among those of its connection. */
export async function resolveWebhook(
  db: Queryable,
  claimed: ClaimedWebhook,
  found: { type: string; effect: WebhookEffect; providerReference: string | undefined; eventAt: Date; now: Date },
): Promise<boolean> {
  return await release(db, claimed, {
    state: "queued",
    event_type: found.type,
    effect: found.effect.kind,
    effect_detail: found.effect.detail ?? null,
    provider_reference: found.providerReference ?? null,
    event_at: found.eventAt,
    attempts: 0,
    due_at: found.now,
    error: "",
  });
}

/** Whether an event that says how the connection is has been applied and happened after this one. */
export async function hasNewerStanding(db: Queryable, claimed: ClaimedWebhook): Promise<boolean> {
  const row = await db
    .selectFrom("webhook_events")
    .select("webhook_id")
    .where("connector", "=", claimed.connector)
    .where("provider_reference", "=", claimed.providerReference ?? "")
    // What was said of another connection of that name does not count here.
    .where((where) =>
      where.or([where("owner_reference", "is", null), where("owner_reference", "=", claimed.ownerReference ?? "")]),
    )
    .where("event_at", ">", claimed.eventAt)
    .where("state", "=", "done")
    .where("outcome", "=", "applied")
    .where("effect", "in", [...standingKinds])
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}

/** Ends the events of the same connection and effect that were waiting when this one began: it did what they ask for. */
export async function mergeWaiting(
  db: Queryable,
  claimed: ClaimedWebhook,
  work: { effect: WebhookEffect; startedAt: Date; connection: ConnectionKey | undefined; now: Date },
): Promise<bigint> {
  const result = await db
    .updateTable("webhook_events")
    .set({ state: "done", outcome: "merged", error: "", finished_at: work.now, ...columnsOf(work.connection) })
    .where("connector", "=", claimed.connector)
    .where("provider_reference", "=", claimed.providerReference ?? "")
    .where("effect", "=", work.effect.kind)
    .where("state", "=", "queued")
    .where("received_at", "<", work.startedAt)
    .executeTakeFirst();
  return result.numUpdatedRows;
}

type Change = Partial<
  Omit<WebhookEventRow, "arrival" | "connector" | "webhook_id" | "event_key" | "holder" | "lease_until">
>;

async function release(db: Queryable, claimed: ClaimedWebhook, change: Change): Promise<boolean> {
  const result = await db
    .updateTable("webhook_events")
    .set({ ...change, holder: null, lease_until: null })
    .where("connector", "=", claimed.connector)
    .where("webhook_id", "=", claimed.webhookId)
    .where("holder", "=", claimed.holder)
    .executeTakeFirst();
  return result.numUpdatedRows === 1n;
}

function columnsOf(connection: ConnectionKey | undefined): Change {
  if (connection === undefined) return {};
  const { owner, connectionId } = connection;
  return { tenant: owner.tenant, user_id: owner.userId, connection_id: connectionId };
}

function toClaimed(row: WebhookEventRow, holder: string): ClaimedWebhook {
  return {
    connector: row.connector,
    webhookId: row.webhook_id,
    holder,
    providerEventId: row.provider_event_id ?? undefined,
    type: row.event_type,
    providerReference: row.provider_reference ?? undefined,
    ownerReference: row.owner_reference ?? undefined,
    effect: isEffectKind(row.effect) ? { kind: row.effect, detail: row.effect_detail ?? undefined } : undefined,
    eventAt: row.event_at,
    queuedAt: row.queued_at,
    attempts: row.attempts,
  };
}
