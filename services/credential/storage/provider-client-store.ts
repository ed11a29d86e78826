import { inTransaction } from "../../platform/db/transaction.ts";
import type { Clock } from "../../platform/time/clock.ts";
import type { SecretPlace } from "../../platform/vault/vault.ts";
import { type Actor, jobActor } from "../domain/audit.ts";
import type { Owner } from "../domain/connection.ts";
import { appendAudit } from "./audit-store.ts";
import type { Openings } from "./openings.ts";
import { secretFingerprint } from "./secret-store.ts";
import type { Queryable, Storage } from "./storage.ts";
import { createVaultStore } from "./vault-store.ts";

const listMax = 500;
const keepOpenedMs = 60_000;
const keepVersionMs = 1_000;
/** The installation itself: its secrets have a data key of their own. */
const installation: Owner = { tenant: "operator", userId: "provider-clients" };
/** Whom all of them are for. */
const connector = "bsim";

/** The OAuth client this mesh is at a bank, without its secret. */
export interface ProviderClientSummary {
  readonly bsimId: string;
  readonly clientId: string;
  readonly updatedAt: Date;
}

/** The OAuth client with its secret, for calls to the bank. */
export interface ProviderClient {
  readonly clientId: string;
  readonly clientSecret: string;
}

/** Stores or replaces the client at a bank, its secret sealed; `created` when there was none. */
export async function putProviderClient(
  storage: Storage,
  put: ProviderClient & { bsimId: string; actor: Actor; now: Date },
): Promise<ProviderClientSummary & { readonly created: boolean }> {
  const stored = await inTransaction(storage.db, async (tx) => {
    const { bsimId, clientId, now } = put;
    const previous = await tx
      .selectFrom("provider_clients")
      .select("record_version")
      .where("bsim_id", "=", bsimId)
      .forUpdate()
      .executeTakeFirst();
    const recordVersion = (previous?.record_version ?? 0) + 1;
    const sealed = await storage.vault.seal(createVaultStore(tx), placeOf(bsimId, recordVersion), put.clientSecret);
    const ciphertext = Buffer.from(sealed.ciphertext);
    const row = {
      client_id: clientId,
      data_key_id: sealed.dataKeyId,
      sealed_secret: ciphertext,
      record_version: recordVersion,
      updated_at: now,
    };
    // Sealing above counts on the installation's data key, whose row lock makes two puts of a new bank take turns.
    const { numInsertedOrUpdatedRows } = await tx
      .insertInto("provider_clients")
      .values({ bsim_id: bsimId, created_at: now, ...row })
      .onConflict((conflict) => conflict.column("bsim_id").doUpdateSet(row))
      .executeTakeFirst();
    if (numInsertedOrUpdatedRows !== 1n) throw new Error("a provider client was not stored");
    const fingerprints = [secretFingerprint(storage.auditKey, "client_secret", recordVersion, ciphertext)];
    await appendAudit(storage, tx, { owner: installation, actor: put.actor, now }, [
      {
        action: "credential_store",
        outcome: "ok",
        connector,
        institutionId: bsimId,
        durationMs: 0,
        details: { stored: fingerprints },
      },
    ]);
    return { bsimId, clientId, updatedAt: now, created: previous === undefined };
  });
  keptClients(storage.openings).delete(put.bsimId);
  return stored;
}

/** The clients at all banks by bank id, at most 500. */
export async function listProviderClients(db: Queryable): Promise<ProviderClientSummary[]> {
  const rows = await db
    .selectFrom("provider_clients")
    .select(["bsim_id", "client_id", "updated_at"])
    .orderBy("bsim_id")
    .limit(listMax)
    .execute();
  return rows.map((row) => ({ bsimId: row.bsim_id, clientId: row.client_id, updatedAt: row.updated_at }));
}

/** The clients as connectors ask for them. */
export function providerClientsOf(
  storage: Pick<Storage, "db" | "openings">,
  clock: Clock,
): { find(bsimId: string): Promise<ProviderClient | undefined> } {
  return { find: (bsimId) => openProviderClient(storage, bsimId, clock.now()) };
}

/**
 * The client at a bank with its secret opened; undefined when none is stored. Every call to a bank asks: what was opened is kept
 * for a minute, as long as the stored version is the same, so that the audit tells of a reading a minute and not of each call. The
 * version is looked at once a second.
 */
async function openProviderClient(
  storage: Pick<Storage, "db" | "openings">,
  bsimId: string,
  now: Date,
): Promise<ProviderClient | undefined> {
  const kept = keptClients(storage.openings);
  const known = kept.get(bsimId);
  const nowMs = performance.now();
  if (known !== undefined && Math.min(known.sameUntilMs, known.untilMs) > nowMs) return known.client;
  const row = await storage.db.query
    .selectFrom("provider_clients")
    .select(["client_id", "data_key_id", "sealed_secret", "record_version"])
    .where("bsim_id", "=", bsimId)
    .executeTakeFirst();
  if (row === undefined) return undefined;
  const sameUntilMs = nowMs + keepVersionMs;
  if (known?.recordVersion === row.record_version && known.untilMs > nowMs) {
    kept.set(bsimId, { ...known, sameUntilMs });
    return known.client;
  }
  const sealed = { dataKeyId: row.data_key_id, ciphertext: row.sealed_secret };
  const place = placeOf(bsimId, row.record_version);
  const reading = { place, sealed, connector, operation: "call_provider", actor: jobActor("provider-client"), now };
  const client = { clientId: row.client_id, clientSecret: await storage.openings.open(reading) };
  kept.set(bsimId, { client, recordVersion: row.record_version, untilMs: nowMs + keepOpenedMs, sameUntilMs });
  return client;
}

interface KeptClient {
  readonly client: ProviderClient;
  readonly recordVersion: number;
  /** When it is opened anew. */
  readonly untilMs: number;
  /** When it is looked at anew whether it is still the stored one. */
  readonly sameUntilMs: number;
}

// At most as many as there are banks; gone with the storage they were read from.
const keptByOpenings = new WeakMap<Openings, Map<string, KeptClient>>();
function keptClients(openings: Openings): Map<string, KeptClient> {
  const kept = keptByOpenings.get(openings) ?? new Map<string, KeptClient>();
  keptByOpenings.set(openings, kept);
  return kept;
}

function placeOf(bsimId: string, recordVersion: number): SecretPlace {
  return { owner: installation, recordId: bsimId, provider: bsimId, purpose: "client_secret", recordVersion };
}
