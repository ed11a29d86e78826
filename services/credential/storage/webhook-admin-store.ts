import { sql } from "kysely";
import { inTransaction } from "../../platform/db/transaction.ts";
import type { Actor } from "../domain/audit.ts";
import { appendAudit } from "./audit-store.ts";
import type { WebhookEventRow } from "./provider-tables.ts";
import type { Queryable, Storage, Tx } from "./storage.ts";
import { webhookAuditOwner } from "./webhook-statistics.ts";
import { payloadPlace } from "./webhook-store.ts";

const eventsNamedMax = 20;

/** An event as operators see it; nothing of what its body held. */
export interface WebhookEventSummary {
  readonly connector: string;
  readonly webhookId: string;
  readonly providerEventId: string | undefined;
  readonly type: string;
  readonly effect: string;
  readonly state: WebhookEventRow["state"];
  readonly outcome: string;
  readonly attempts: number;
  readonly repeats: number;
  readonly connectionId: string | undefined;
  readonly occurredAt: Date | undefined;
  readonly receivedAt: Date;
  readonly dueAt: Date | undefined;
  readonly finishedAt: Date | undefined;
  readonly error: string;
}

/** What a page starts after. */
export interface WebhookCursor {
  readonly receivedAt: Date;
  readonly webhookId: string;
}

const summaryColumns = [
  "connector",
  "webhook_id",
  "provider_event_id",
  "event_type",
  "effect",
  "state",
  "outcome",
  "attempts",
  "repeats",
  "connection_id",
  "occurred_at",
  "received_at",
  "due_at",
  "finished_at",
  "error",
] as const;

/** Events, the newest first. */
export async function listWebhooks(
  db: Queryable,
  page: {
    connector: string | undefined;
    state: WebhookEventRow["state"] | undefined;
    after: WebhookCursor | undefined;
    limit: number;
  },
): Promise<WebhookEventSummary[]> {
  let query = db.selectFrom("webhook_events").select(summaryColumns);
  if (page.connector !== undefined) query = query.where("connector", "=", page.connector);
  if (page.state !== undefined) query = query.where("state", "=", page.state);
  if (page.after !== undefined) {
    const { receivedAt, webhookId } = page.after;
    query = query.where(sql<boolean>`(received_at, webhook_id) < (${receivedAt}::timestamptz, ${webhookId}::uuid)`);
  }
  const rows = await query.orderBy("received_at", "desc").orderBy("webhook_id", "desc").limit(page.limit).execute();
  return rows.map(toSummary);
}

/** One event by our id. */
export async function findWebhook(db: Queryable, webhookId: string): Promise<WebhookEventSummary | undefined> {
  const query = db.selectFrom("webhook_events").select(summaryColumns).where("webhook_id", "=", webhookId);
  const row = await query.executeTakeFirst();
  return row && toSummary(row);
}

/** Puts a finished event back into the queue; undefined when there is none of this id, or it is under way. */
export async function replayWebhook(
  storage: Storage,
  work: { webhookId: string; actor: Actor; now: Date },
): Promise<WebhookEventSummary | undefined> {
  return await inTransaction(storage.db, async (tx) => {
    const row = await tx
      .updateTable("webhook_events")
      .set(requeued(work.now))
      .where("webhook_id", "=", work.webhookId)
      .where("state", "in", ["done", "dead"])
      .returning(summaryColumns)
      .executeTakeFirst();
    if (row === undefined) return undefined;
    await auditReplay(storage, tx, { ...work, connector: row.connector, events: [row.webhook_id] });
    return toSummary(row);
  });
}

/** Puts dead letters of a provider back into the queue, the oldest first; how many. */
export async function replayDeadWebhooks(
  storage: Storage,
  work: { connector: string; actor: Actor; now: Date; limit: number },
): Promise<number> {
  return await inTransaction(storage.db, async (tx) => {
    const rows = await tx
      .updateTable("webhook_events")
      .set(requeued(work.now))
      .where(
        sql<boolean>`(connector, webhook_id) in (select connector, webhook_id from webhook_events
          where state = 'dead' and connector = ${work.connector} order by received_at limit ${work.limit}::int
          for update skip locked)`,
      )
      .returning("webhook_id")
      .execute();
    if (rows.length > 0) await auditReplay(storage, tx, { ...work, events: rows.map((row) => row.webhook_id) });
    return rows.length;
  });
}

async function auditReplay(
  storage: Storage,
  tx: Tx,
  replay: { connector: string; events: readonly string[]; actor: Actor; now: Date },
): Promise<void> {
  const { connector, events, actor, now } = replay;
  const details = { about: "webhook", count: events.length, events: events.slice(0, eventsNamedMax) };
  await appendAudit(storage, tx, { owner: webhookAuditOwner, actor, now }, [
    { action: "sync", outcome: "replayed", connector, institutionId: connector, durationMs: 0, details },
  ]);
}

function requeued(now: Date) {
  return {
    state: "queued",
    outcome: "",
    error: "",
    attempts: 0,
    queued_at: now,
    due_at: now,
    finished_at: null,
  } as const;
}

/** The payload of an event as it was stored; undefined once it was swept. Leaves an audit row like any opened secret. */
export async function openWebhookPayload(
  storage: Pick<Storage, "db" | "openings">,
  event: { connector: string; webhookId: string },
  reader: { actor: Actor; now: Date },
): Promise<{ readonly text: string; readonly receivedAt: Date } | undefined> {
  const row = await storage.db.query
    .selectFrom("webhook_events")
    .select(["body_digest", "data_key_id", "sealed_payload", "received_at"])
    .where("connector", "=", event.connector)
    .where("webhook_id", "=", event.webhookId)
    .executeTakeFirst();
  if (row?.data_key_id == null || row.sealed_payload === null) return undefined;
  const place = payloadPlace({ ...event, bodyDigest: row.body_digest });
  const sealed = { dataKeyId: row.data_key_id, ciphertext: row.sealed_payload };
  const { connector } = event;
  const text = await storage.openings.open({ place, sealed, connector, operation: "read_webhook", ...reader });
  return { text, receivedAt: row.received_at };
}

function toSummary(row: Pick<WebhookEventRow, (typeof summaryColumns)[number]>): WebhookEventSummary {
  return {
    connector: row.connector,
    webhookId: row.webhook_id,
    providerEventId: row.provider_event_id ?? undefined,
    type: row.event_type,
    effect: row.effect,
    state: row.state,
    outcome: row.outcome,
    attempts: row.attempts,
    repeats: row.repeats,
    connectionId: row.connection_id ?? undefined,
    occurredAt: row.occurred_at ?? undefined,
    receivedAt: row.received_at,
    dueAt: row.state === "queued" ? row.due_at : undefined,
    finishedAt: row.finished_at ?? undefined,
    error: row.error,
  };
}
