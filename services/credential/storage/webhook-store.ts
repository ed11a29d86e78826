import { createHash } from "node:crypto";
import { sql } from "kysely";
import { type Batcher, createBatcher } from "../../platform/db/batcher.ts";
import { inTransaction } from "../../platform/db/transaction.ts";
import { uuidv7 } from "../../platform/ids/uuidv7.ts";
import { associatedData } from "../../platform/vault/associated-data.ts";
import type { SealedSecret, SecretPlace } from "../../platform/vault/vault.ts";
import type { ProviderEvent } from "../connectors/webhook-reader.ts";
import { type AuditAct, jobActor } from "../domain/audit.ts";
import { appendAudits } from "./audit-store.ts";
import { countSealsAhead } from "./batch-vault-store.ts";
import { planByIndex } from "./index-plans.ts";
import { isRowFault } from "./row-fault.ts";
import { secretFingerprint } from "./secret-store.ts";
import type { Storage, Tx } from "./storage.ts";

// An event without an id and a time is the same as one with the same body for this long; later it says the same thing anew.
const sameBodyWindowMs = 10 * 60_000;
// Seals are counted on a row of each data key; with one for all, webhooks would wait for one another.
const payloadOwners = 16;
const typeLengthMax = 200;
const detailLengthMax = 500;

/** What a proved webhook brought, to be stored. */
export interface WebhookToStore {
  readonly connector: string;
  readonly events: readonly ProviderEvent[];
  readonly bodyDigest: Buffer;
  /** Body and headers in one text, at most 1 MiB. */
  readonly payload: string;
  readonly receivedAt: Date;
  /** A body that could not be read: stored as a dead letter with this word. */
  readonly unreadable?: string | undefined;
}

/** How many of its events are new, and how many have come before. */
export interface StoredWebhook {
  readonly accepted: number;
  readonly repeated: number;
}

/**
 * Stores the events of a webhook, each once, in one transaction with the audit row of its payload, by which one put back later is found.
 * A repeat is counted on the event it repeats. Webhooks that arrive together share a transaction. Throws `BatcherFullError`.
 */
export async function storeWebhook(storage: Storage, webhook: WebhookToStore): Promise<StoredWebhook> {
  const storer = storers.get(storage) ?? createBatcher({ ...gathering, flush: (batch) => storeAll(storage, batch) });
  storers.set(storage, storer);
  return await storer.add(webhook);
}

const gathering = { rowsMax: 64, flightsMax: 2, waitingMax: 2_000, isRowFault };
// One for each storage of a process, gone with it.
const storers = new WeakMap<Storage, Batcher<WebhookToStore, StoredWebhook>>();

async function storeAll(storage: Storage, batch: readonly WebhookToStore[]): Promise<StoredWebhook[]> {
  return await inTransaction(storage.db, async (tx) => {
    const payloads: NewPayload[] = [];
    const results = new Map<WebhookToStore, StoredWebhook>();
    // In one order, so that two batches with the same events do not wait for each other.
    for (const webhook of batch.toSorted((one, other) => one.bodyDigest.compare(other.bodyDigest))) {
      results.set(webhook, await storeEvents(tx, webhook, payloads));
    }
    // The last thing: until the end of the transaction others wait for the keys and the chains.
    if (payloads.length > 0) await attachPayloads(storage, tx, payloads);
    return batch.map((webhook) => results.get(webhook) ?? { accepted: 0, repeated: 0 });
  });
}

async function storeEvents(tx: Tx, webhook: WebhookToStore, payloads: NewPayload[]): Promise<StoredWebhook> {
  let accepted = 0;
  for (const [part, event] of webhook.events.entries()) {
    const webhookId = uuidv7(webhook.receivedAt.getTime());
    const isNew = await insertEvent(tx, webhook, event, { part, webhookId });
    if (isNew && part === 0) payloads.push({ webhook, webhookId });
    if (isNew || (await reviveEvent(tx, webhook, event, part))) accepted += 1;
  }
  return { accepted, repeated: webhook.events.length - accepted };
}

interface NewPayload {
  readonly webhook: WebhookToStore;
  readonly webhookId: string;
}

async function insertEvent(
  tx: Tx,
  webhook: WebhookToStore,
  event: ProviderEvent,
  { part, webhookId }: { part: number; webhookId: string },
): Promise<boolean> {
  const { connector, bodyDigest, receivedAt, unreadable } = webhook;
  const isIgnored = event.effect.kind === "ignore" && unreadable === undefined;
  const state = unreadable === undefined ? (isIgnored ? "done" : "queued") : "dead";
  const row = await tx
    .insertInto("webhook_events")
    .values({
      connector,
      webhook_id: webhookId,
      event_key: eventKey(webhook, event, part),
      provider_event_id: event.eventId ?? null,
      body_digest: bodyDigest,
      event_type: storable(event.type, typeLengthMax),
      provider_reference: event.providerReference ?? null,
      owner_reference: event.ownerReference ?? null,
      effect: event.effect.kind,
      effect_detail: event.effect.detail === undefined ? null : storable(event.effect.detail, detailLengthMax),
      occurred_at: event.occurredAt ?? null,
      event_at: event.occurredAt ?? receivedAt,
      received_at: receivedAt,
      last_received_at: receivedAt,
      state,
      outcome: isIgnored ? "ignored" : "",
      queued_at: receivedAt,
      due_at: receivedAt,
      finished_at: state === "queued" ? null : receivedAt,
      error: unreadable ?? "",
      repeats: 0,
      attempts: 0,
    })
    .onConflict((conflict) =>
      conflict.columns(["connector", "event_key"]).doUpdateSet({
        repeats: sql<number>`webhook_events.repeats + 1`,
        last_received_at: receivedAt,
      }),
    )
    .returning(["webhook_id"])
    .executeTakeFirst();
  return row?.webhook_id === webhookId;
}

/** A provider that numbers and dates nothing says "there is news" with the same bytes each time: after a while it is news again. */
async function reviveEvent(tx: Tx, webhook: WebhookToStore, event: ProviderEvent, part: number): Promise<boolean> {
  if (event.eventId !== undefined || event.occurredAt !== undefined || webhook.unreadable !== undefined) return false;
  const { connector, receivedAt } = webhook;
  const staleAt = new Date(receivedAt.getTime() - sameBodyWindowMs);
  const result = await tx
    .updateTable("webhook_events")
    .set({
      state: "queued",
      outcome: "",
      error: "",
      attempts: 0,
      event_at: receivedAt,
      received_at: receivedAt,
      queued_at: receivedAt,
      due_at: receivedAt,
      finished_at: null,
      repeats: sql<number>`repeats - 1`,
    })
    .where("connector", "=", connector)
    .where("event_key", "=", eventKey(webhook, event, part))
    .where("state", "in", ["done", "dead"])
    .where("effect", "<>", "ignore")
    .where("received_at", "<", staleAt)
    .executeTakeFirst();
  return result.numUpdatedRows === 1n;
}

async function attachPayloads(storage: Storage, tx: Tx, payloads: readonly NewPayload[]): Promise<void> {
  await planByIndex(tx);
  const placed = payloads.map(({ webhook, webhookId }) => ({
    webhook,
    webhookId,
    place: payloadPlace({ ...webhook, webhookId }),
  }));
  const store = await countSealsAhead(
    tx,
    placed.map(({ place }) => ({ owner: place.owner, seals: 1 })),
  );
  const sealed: SealedSecret[] = [];
  for (const { webhook, place } of placed) sealed.push(await storage.vault.seal(store, place, webhook.payload));
  await sql`
    update webhook_events event set data_key_id = sealed.data_key_id, sealed_payload = sealed.payload
    from unnest(${placed.map(({ webhook }) => webhook.connector)}::text[], ${placed.map((one) => one.webhookId)}::uuid[],
      ${sealed.map((one) => one.dataKeyId)}::uuid[], ${sealed.map((one) => Buffer.from(one.ciphertext))}::bytea[])
      as sealed (connector, webhook_id, data_key_id, payload)
    where event.connector = sealed.connector and event.webhook_id = sealed.webhook_id`.execute(tx);
  await appendAudits(
    storage,
    tx,
    placed.map(({ webhook, webhookId, place }, at) => ({
      subject: { owner: place.owner, actor: jobActor("webhooks"), now: webhook.receivedAt },
      acts: [storedAct(storage, { webhook, webhookId }, sealed[at])],
    })),
  );
}

function storedAct(storage: Storage, { webhook, webhookId }: NewPayload, sealed: SealedSecret | undefined): AuditAct {
  if (sealed === undefined) throw new Error("fewer payloads were sealed than given");
  const { recordVersion } = payloadPlace({ ...webhook, webhookId });
  const stored = [secretFingerprint(storage.auditKey, payloadName(webhookId), recordVersion, sealed.ciphertext)];
  const of = { connector: webhook.connector, institutionId: webhook.connector };
  return { action: "credential_store", outcome: "ok", ...of, durationMs: 0, details: { stored } };
}

/** How the audit names the payload of a webhook, beside its provider. */
export function payloadName(webhookId: string): string {
  return `webhook_payload/${webhookId}`;
}

/** Where the payload of a webhook is sealed for. It belongs to no user of ours before its connection is found. */
export function payloadPlace(row: { connector: string; webhookId: string; bodyDigest: Uint8Array }): SecretPlace {
  const userId = `webhooks-${(row.bodyDigest[0] ?? 0) % payloadOwners}`;
  const owner = { tenant: "operator", userId };
  return { owner, recordId: row.webhookId, provider: row.connector, purpose: "webhook_payload", recordVersion: 1 };
}

/** What makes two arrivals the same event. */
function eventKey(webhook: WebhookToStore, event: ProviderEvent, part: number): Buffer {
  const facts =
    event.eventId === undefined
      ? {
          digest: webhook.bodyDigest.toString("hex"),
          part,
          // A body that could not be read must not stand in the way of what it says once it can.
          at: webhook.unreadable === undefined ? (event.occurredAt?.toISOString() ?? "") : "unreadable",
        }
      : { id: event.eventId };
  return createHash("sha256").update(associatedData(facts)).digest();
}

// Providers write these: no NUL, no lone surrogates, no novels.
function storable(text: string, lengthMax: number): string {
  return text.slice(0, lengthMax).toWellFormed().replaceAll("\0", "");
}
