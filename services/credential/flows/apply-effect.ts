import { inTransaction } from "../../platform/db/transaction.ts";
import type { WebhookEffect } from "../connectors/webhook-reader.ts";
import { type Actor, type AuditAct, jobActor } from "../domain/audit.ts";
import { type Connection, type ConnectionKey, isUsableFor } from "../domain/connection.ts";
import { type ConnectionEvent, nextStanding } from "../domain/connection-state.ts";
import type { SyncKind } from "../domain/sync-run.ts";
import { appendAudit } from "../storage/audit-store.ts";
import { lockConnection, setConsentEnd, setStanding } from "../storage/connection-store.ts";
import { endConnection } from "../storage/consent-store.ts";
import { addNotices, dropNotices, noticesOfChange } from "../storage/notice-store.ts";
import { deleteProviderData } from "../storage/provider-data-store.ts";
import { deleteSecrets } from "../storage/secret-store.ts";
import type { Tx } from "../storage/storage.ts";
import { enqueueRun } from "../storage/sync-run-store.ts";
import type { Dependencies } from "./dependencies.ts";

/** Who brought an effect, for the audit and the run it asks for. */
export interface EffectSource {
  readonly actor: Actor;
  readonly trigger: "webhook" | "schedule";
}

/**
 * Does what a provider's event asks for, in one transaction with its audit row. A repeat changes nothing more, and nothing happens to a
 * connection that is over. Resolves to whether something was done.
 */
export async function applyEffect(
  deps: Pick<Dependencies, "storage" | "clock">,
  key: ConnectionKey,
  effect: WebhookEffect,
  source: EffectSource = { actor: jobActor("webhook"), trigger: "webhook" },
): Promise<boolean> {
  return await inTransaction(deps.storage.db, async (tx) => {
    const connection = await lockConnection(tx, key);
    if (connection === undefined || connection.state === "REVOKED") return false;
    return await applyTo({ deps, tx, connection, source, now: deps.clock.now() }, effect);
  });
}

interface Work {
  readonly deps: Pick<Dependencies, "storage" | "clock">;
  readonly tx: Tx;
  /** Locked, and not over. */
  readonly connection: Connection;
  readonly source: EffectSource;
  readonly now: Date;
}

async function applyTo(work: Work, effect: WebhookEffect): Promise<boolean> {
  switch (effect.kind) {
    case "sync_transactions":
      return await enqueue(work, "transactions");
    case "sync_accounts":
    case "refresh_balances":
      return await enqueue(work, "accounts");
    case "consent_revoked":
      return await revoke(work);
    case "reauthorize":
      return await move(work, { kind: "reauthorize" });
    case "healed": {
      const moved = await move(work, { kind: "healed" });
      return moved && (await enqueue({ ...work, connection: { ...work.connection, stateReason: "" } }, "transactions"));
    }
    case "expiring":
      return await noteExpiry(work, effect.detail);
    // Steps of a consent belong to who began it, and a thin event is fetched before it comes here.
    case "progress":
    case "fetch":
    case "ignore":
      return false;
    default: {
      const impossible: never = effect.kind;
      throw new Error(`unreachable effect ${String(impossible)}`);
    }
  }
}

async function enqueue(work: Work, kind: SyncKind): Promise<boolean> {
  const { tx, connection, source, now } = work;
  // Nothing can be fetched before the user has come; his new consent begins a run of its own.
  if (!isUsableFor(connection, "accounts")) return false;
  await enqueueRun(tx, { connection, kind, trigger: source.trigger, requestedBy: source.actor.name, now });
  return true;
}

async function move(work: Work, event: ConnectionEvent): Promise<boolean> {
  const { tx, connection, now } = work;
  const standing = nextStanding({ state: connection.state, reason: connection.stateReason }, event);
  if (!(await setStanding(tx, connection, standing, now))) return false;
  await addNotices(tx, noticesOfChange(connection, standing, now));
  await audit(work, [actOf(work, event.kind, { state: standing.state })]);
  return true;
}

/** The provider has ended it already: nothing is to be revoked there, and nothing is kept here. */
async function revoke(work: Work): Promise<boolean> {
  const { tx, connection, now } = work;
  const event = { kind: "revoked_at_provider" } as const;
  const standing = nextStanding({ state: connection.state, reason: connection.stateReason }, event);
  await endConnection(tx, connection, standing, now);
  await dropNotices(tx, connection);
  await addNotices(tx, noticesOfChange(connection, standing, now));
  await deleteProviderData(tx, connection);
  await audit(work, [actOf(work, "consent_revoked", { state: standing.state }), await deleteSecrets(tx, connection)]);
  return true;
}

async function noteExpiry(work: Work, detail: string | undefined): Promise<boolean> {
  const ends = detail === undefined ? Number.NaN : Date.parse(detail);
  if (!Number.isNaN(ends)) await setConsentEnd(work.tx, work.connection, new Date(ends), work.now);
  await audit(work, [actOf(work, "consent_expiring", Number.isNaN(ends) ? {} : { at: new Date(ends).toISOString() })]);
  return true;
}

function actOf({ connection }: Work, outcome: string, details: Readonly<Record<string, string>>): AuditAct {
  const { connectionId, connector, institutionId } = connection;
  return { action: "sync", outcome, connectionId, connector, institutionId, durationMs: 0, details };
}

async function audit({ deps, tx, connection, source, now }: Work, acts: readonly AuditAct[]): Promise<void> {
  await appendAudit(deps.storage, tx, { owner: connection.owner, actor: source.actor, now }, acts);
}
