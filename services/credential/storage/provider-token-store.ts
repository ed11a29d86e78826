import { sql } from "kysely";
import type { PlacedSecret, SecretPlace } from "../../platform/vault/vault.ts";
import { type AuditAct, jobActor } from "../domain/audit.ts";
import type { Owner } from "../domain/connection.ts";
import { secretFingerprint } from "./secret-store.ts";
import type { Queryable, Storage, Tx } from "./storage.ts";
import { createVaultStore } from "./vault-store.ts";

const listMax = 100;
/** How the audit names such a token, beside its own name. */
export const tokenPurpose = "provider_token";

/** The installation itself: tokens that belong to no user have a data key of their own. */
export const tokenOwner: Owner = Object.freeze({ tenant: "operator", userId: "provider-tokens" });

/** A token of the installation as it stands. All spans are by the database's clock. */
export interface ProviderTokenState {
  readonly name: string;
  readonly token: SealedToken | undefined;
  /** Since its mint began. */
  readonly ageMs: number;
  /** Until the provider ends it; infinite when it did not say. */
  readonly remainingMs: number;
  readonly mintEpoch: number;
  /** Somebody is minting, and his lease stands. */
  readonly isMinting: boolean;
  readonly credentialsHash: Buffer | undefined;
  readonly refusals: number;
  readonly refusalsInAll: number;
  /** Failed mints in a row, of any kind. */
  readonly tries: number;
  /** Until the next mint may begin; 0 or less: now. */
  readonly waitMs: number;
  /** Empty before the first mint has ended. */
  readonly lastOutcome: string;
}

interface SealedToken {
  readonly dataKeyId: string;
  readonly ciphertext: Uint8Array;
  readonly epoch: number;
}

/** The state of one name; a name nobody has asked for yet gets an empty row. */
export async function readTokenState(db: Queryable, name: string): Promise<ProviderTokenState> {
  const existing = await selectStates(db).where("name", "=", name).executeTakeFirst();
  if (existing !== undefined) return toState(existing);
  await db
    .insertInto("provider_tokens")
    .values({ name })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
  return toState(await selectStates(db).where("name", "=", name).executeTakeFirstOrThrow());
}

/** Every name with its state, at most 100; for operators. */
export async function listTokenStates(db: Queryable): Promise<ProviderTokenState[]> {
  const rows = await selectStates(db).orderBy("name").limit(listMax).execute();
  return rows.map(toState);
}

/** Opens the token of a state that has one, its audit row first. */
export async function openToken(
  storage: Pick<Storage, "openings">,
  state: { name: string; token: SealedToken },
  now: Date,
): Promise<string> {
  const reading = {
    ...placed(state.name, state.token),
    connector: state.name,
    operation: "call_provider",
    actor: jobActor("provider-tokens"),
  };
  return await storage.openings.open({ ...reading, now });
}

/** Whether the token of a state is this one. */
export async function isToken(
  storage: Pick<Storage, "vault" | "db">,
  state: { name: string; token: SealedToken },
  text: string,
): Promise<boolean> {
  return await storage.vault.holds(createVaultStore(storage.db.query), placed(state.name, state.token), text);
}

/** A mint somebody is about to begin. */
export interface MintClaim {
  readonly name: string;
  /** As read: whoever comes second finds it changed. */
  readonly seenEpoch: number;
  readonly holder: string;
  readonly leaseMs: number;
  readonly credentialsHash: Buffer;
  /** Refusals with the same credentials, and with any, that must not be reached. */
  readonly refusalsMax: number;
  readonly refusalsInAllMax: number;
}

/**
 * Takes the right to mint, and counts the mint as refused until it has proved otherwise: a process that dies over it has made at most
 * the login that is counted. The epoch; undefined when somebody else mints, or minting has to wait, or is stopped.
 */
export async function claimMint(db: Queryable, claim: MintClaim): Promise<number | undefined> {
  const { credentialsHash } = claim;
  const isSame = sql`credentials_hash is not distinct from ${credentialsHash}`;
  const row = await db
    .updateTable("provider_tokens")
    .set({
      mint_epoch: sql<number>`mint_epoch + 1`,
      mint_holder: claim.holder,
      mint_started_at: sql<Date>`clock_timestamp()`,
      mint_lease_until: sql<Date>`clock_timestamp() + make_interval(secs => ${claim.leaseMs / 1000}::float8)`,
      refusals: sql<number>`case when ${isSame} then refusals else 0 end + 1`,
      refusals_in_all: sql<number>`refusals_in_all + 1`,
      tries: sql<number>`tries + 1`,
      retry_at: null,
      credentials_hash: credentialsHash,
    })
    .where("name", "=", claim.name)
    .where("mint_epoch", "=", claim.seenEpoch)
    .where(sql<boolean>`(mint_lease_until is null or mint_lease_until < clock_timestamp())`)
    .where("refusals_in_all", "<", claim.refusalsInAllMax)
    .where(
      sql<boolean>`(not (${isSame}) or (refusals < ${claim.refusalsMax} and coalesce(retry_at <= clock_timestamp(), true)))`,
    )
    .returning("mint_epoch")
    .executeTakeFirst();
  return row?.mint_epoch;
}

/**
 * Seals and stores what a mint brought, if it still is the newest; harmless to repeat. Returns the audit act, by which a row put back later
 * is found; undefined when it was overtaken.
 */
export async function storeToken(
  storage: Storage,
  tx: Tx,
  minted: { name: string; epoch: number; token: string; lifeMs: number | undefined },
): Promise<AuditAct | undefined> {
  const { name, epoch } = minted;
  const sealed = await storage.vault.seal(createVaultStore(tx), placeOf(name, epoch), minted.token);
  const life = minted.lifeMs === undefined ? null : minted.lifeMs / 1000;
  const result = await tx
    .updateTable("provider_tokens")
    .set({
      data_key_id: sealed.dataKeyId,
      sealed_token: Buffer.from(sealed.ciphertext),
      token_epoch: epoch,
      minted_at: sql<Date>`mint_started_at`,
      expires_at: sql<Date | null>`mint_started_at + make_interval(secs => ${life}::float8)`,
      mint_holder: null,
      mint_lease_until: null,
      refusals: 0,
      refusals_in_all: 0,
      tries: 0,
      retry_at: null,
      last_outcome: "ok",
    })
    .where("name", "=", name)
    .where("mint_epoch", "=", epoch)
    .executeTakeFirst();
  if (result.numUpdatedRows !== 1n) return undefined;
  const stored = [secretFingerprint(storage.auditKey, tokenPurpose, epoch, sealed.ciphertext)];
  const of = { connector: name, institutionId: name };
  return { action: "credential_store", outcome: "ok", ...of, durationMs: 0, details: { stored } };
}

/** Ends a mint without a token. `wasLogin`: it counts as a login that failed. */
export async function failMint(
  db: Queryable,
  failed: { name: string; epoch: number; outcome: string; wasLogin: boolean; retryMs: number },
): Promise<boolean> {
  const back = failed.wasLogin ? 0 : 1;
  const result = await db
    .updateTable("provider_tokens")
    .set({
      mint_holder: null,
      mint_lease_until: null,
      refusals: sql<number>`greatest(refusals - ${back}::int, 0)`,
      refusals_in_all: sql<number>`greatest(refusals_in_all - ${back}::int, 0)`,
      retry_at: sql<Date>`clock_timestamp() + make_interval(secs => ${failed.retryMs / 1000}::float8)`,
      last_outcome: failed.outcome,
    })
    .where("name", "=", failed.name)
    .where("mint_epoch", "=", failed.epoch)
    .executeTakeFirst();
  return result.numUpdatedRows === 1n;
}

/**
 * Forgets the token minted at this epoch, and lets the next mint begin no sooner than `waitMs` after the last began. Returns the audit act;
 * undefined when there was nothing left to forget.
 */
export async function forgetToken(
  tx: Tx,
  rejected: { name: string; epoch: number; waitMs: number },
): Promise<AuditAct | undefined> {
  const result = await tx
    .updateTable("provider_tokens")
    .set({
      data_key_id: null,
      sealed_token: null,
      retry_at: sql<Date>`mint_started_at + make_interval(secs => ${rejected.waitMs / 1000}::float8)`,
    })
    .where("name", "=", rejected.name)
    .where("token_epoch", "=", rejected.epoch)
    .where("sealed_token", "is not", null)
    .executeTakeFirst();
  if (result.numUpdatedRows !== 1n) return undefined;
  const details = { deleted: [tokenPurpose] };
  const of = { connector: rejected.name, institutionId: rejected.name };
  return { action: "credential_delete", outcome: "rejected", ...of, durationMs: 0, details };
}

/** Lets minting begin anew after it was stopped; false for a name nobody has asked for. */
export async function resumeMinting(tx: Tx, name: string): Promise<boolean> {
  const result = await tx
    .updateTable("provider_tokens")
    .set({ refusals: 0, refusals_in_all: 0, tries: 0, retry_at: null })
    .where("name", "=", name)
    .executeTakeFirst();
  return result.numUpdatedRows === 1n;
}

function selectStates(db: Queryable) {
  return db
    .selectFrom("provider_tokens")
    .select([
      "name",
      "data_key_id",
      "sealed_token",
      "token_epoch",
      "mint_epoch",
      "credentials_hash",
      "refusals",
      "refusals_in_all",
      "tries",
      "last_outcome",
      sql<number>`coalesce(extract(epoch from clock_timestamp() - minted_at) * 1000, 0)::float8`.as("age_ms"),
      sql<number | null>`(extract(epoch from expires_at - clock_timestamp()) * 1000)::float8`.as("remaining_ms"),
      sql<number>`coalesce(extract(epoch from retry_at - clock_timestamp()) * 1000, 0)::float8`.as("wait_ms"),
      sql<boolean>`coalesce(mint_lease_until > clock_timestamp(), false)`.as("is_minting"),
    ]);
}

function toState(
  row: Awaited<ReturnType<ReturnType<typeof selectStates>["executeTakeFirstOrThrow"]>>,
): ProviderTokenState {
  const isThere = row.sealed_token !== null && row.data_key_id !== null;
  return {
    name: row.name,
    token: isThere
      ? { dataKeyId: row.data_key_id ?? "", ciphertext: row.sealed_token ?? Buffer.alloc(0), epoch: row.token_epoch }
      : undefined,
    ageMs: row.age_ms,
    remainingMs: row.remaining_ms ?? Number.POSITIVE_INFINITY,
    mintEpoch: row.mint_epoch,
    isMinting: row.is_minting,
    credentialsHash: row.credentials_hash === null ? undefined : Buffer.from(row.credentials_hash),
    refusals: row.refusals,
    refusalsInAll: row.refusals_in_all,
    tries: row.tries,
    waitMs: row.wait_ms,
    lastOutcome: row.last_outcome ?? "",
  };
}

function placed(name: string, token: SealedToken): PlacedSecret {
  const { dataKeyId, ciphertext, epoch } = token;
  return { place: placeOf(name, epoch), sealed: { dataKeyId, ciphertext } };
}

function placeOf(name: string, epoch: number): SecretPlace {
  return { owner: tokenOwner, recordId: name, provider: name, purpose: tokenPurpose, recordVersion: epoch };
}
