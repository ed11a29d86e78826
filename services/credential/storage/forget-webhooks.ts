import { type RawBuilder, sql } from "kysely";
import { inTransaction } from "../../platform/db/transaction.ts";
import { jobActor } from "../domain/audit.ts";
import type { ConnectionKey, Owner } from "../domain/connection.ts";
import type { AuditedActs } from "./audit-entries.ts";
import { appendAudits } from "./audit-store.ts";
import type { Storage, Tx } from "./storage.ts";
import { payloadName, payloadPlace } from "./webhook-store.ts";

// What one audit row names.
const namedMax = 200;

/** What old webhooks are swept with: those that ended before a time, a bounded number at once. */
export interface WebhookSweep {
  readonly endedBefore: Date;
  readonly limit: number;
  readonly now: Date;
}

type AuditedStorage = Pick<Storage, "auditKey">;

/** Forgets events that ended before a time; how many. */
export async function deleteOldWebhooks(storage: AuditedStorage & Pick<Storage, "db">, sweep: WebhookSweep) {
  const { endedBefore, limit, now } = sweep;
  return await inTransaction(storage.db, (tx) =>
    deleteEvents(storage, tx, {
      which: sql`(connector, webhook_id) in (select connector, webhook_id from webhook_events
        where finished_at < ${endedBefore}::timestamptz order by finished_at limit ${limit}::int for update skip locked)`,
      now,
    }),
  );
}

/** Destroys what applied events held; dead letters keep theirs until they go themselves, since a replay may have to read it. How many. */
export async function destroyOldPayloads(storage: AuditedStorage & Pick<Storage, "db">, sweep: WebhookSweep) {
  const { endedBefore, limit, now } = sweep;
  return await inTransaction(storage.db, async (tx) => {
    const { rows } = await sql<PayloadRow>`
      update webhook_events set data_key_id = null, sealed_payload = null
      where (connector, webhook_id) in (select connector, webhook_id from webhook_events
        where state = 'done' and sealed_payload is not null and finished_at < ${endedBefore}::timestamptz
        order by finished_at limit ${limit}::int for update skip locked)
      returning connector, webhook_id, body_digest`.execute(tx);
    await tellOfGone(storage, tx, rows, now);
    return rows.length;
  });
}

/** Forgets everything webhooks told of a connection, what is still waiting for it included; how many events. For erasure. */
export async function eraseWebhooksOf(
  storage: AuditedStorage,
  tx: Tx,
  connection: ConnectionKey & { readonly connector: string; readonly providerReference: string },
  now: Date,
): Promise<number> {
  const { owner, connectionId, connector, providerReference } = connection;
  const own = sql`tenant = ${owner.tenant} and user_id = ${owner.userId} and connection_id = ${connectionId}::uuid`;
  // Its reference is all that tells whose those are that came before it was found.
  const waiting = sql`connector = ${connector} and provider_reference = ${providerReference} and connection_id is null`;
  const which = providerReference === "" ? own : sql`(${own}) or (${waiting})`;
  return await deleteEvents(storage, tx, { which, now });
}

interface PayloadRow {
  readonly connector: string;
  readonly webhook_id: string;
  readonly body_digest: Uint8Array;
}

async function deleteEvents(
  storage: AuditedStorage,
  tx: Tx,
  { which, now }: { readonly which: RawBuilder<unknown>; readonly now: Date },
): Promise<number> {
  const { rows } = await sql<PayloadRow & { readonly had_payload: boolean }>`
    delete from webhook_events where ${which}
    returning connector, webhook_id, body_digest, sealed_payload is not null as had_payload`.execute(tx);
  const gone = rows.filter((row) => row.had_payload);
  await tellOfGone(storage, tx, gone, now);
  return rows.length;
}

/** A payload that is gone and there again was put back; the audit has to know, in the chain that knows of its coming. */
async function tellOfGone(storage: AuditedStorage, tx: Tx, gone: readonly PayloadRow[], now: Date): Promise<void> {
  const byChain = new Map<string, { owner: Owner; connector: string; names: string[] }>();
  for (const { connector, webhook_id: webhookId, body_digest: bodyDigest } of gone) {
    const { owner } = payloadPlace({ connector, webhookId, bodyDigest });
    const place = `${connector} ${owner.userId}`;
    const group = byChain.get(place) ?? { owner, connector, names: [] };
    group.names.push(payloadName(webhookId));
    byChain.set(place, group);
  }
  const audited: AuditedActs[] = [...byChain.values()].map(({ owner, connector, names }) => ({
    subject: { owner, actor: jobActor("webhooks"), now },
    acts: chunksOf(names).map((deleted) => ({
      action: "credential_delete",
      outcome: "ok",
      connector,
      institutionId: connector,
      durationMs: 0,
      details: { deleted },
    })),
  }));
  if (audited.length > 0) await appendAudits(storage, tx, audited);
}

function chunksOf(names: readonly string[]): string[][] {
  const count = Math.ceil(names.length / namedMax);
  return Array.from({ length: count }, (_, at) => names.slice(at * namedMax, (at + 1) * namedMax));
}
