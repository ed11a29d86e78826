import { randomUUID } from "node:crypto";
import type { Selectable, Transaction } from "kysely";
import { inTransaction, sqlStateOf } from "../../platform/db/transaction.ts";
import { DomainError } from "../../platform/errors/domain-error.ts";
import type { Clock } from "../../platform/time/clock.ts";
import { type KeyKind, type KeySummary, liveKeysMax } from "../domain/access-key.ts";
import { lockName, nextRevision } from "./revision.ts";
import type { AccessKeyRow, RegistryDatabase, RegistryTables } from "./tables.ts";

const uniqueViolation = "23505";
const uuidPattern = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** One owner's keys of one kind. */
export interface KeyOwner {
  readonly kind: KeyKind;
  readonly ownerId: string;
}

/** Whom a presented key belongs to. */
export interface FoundKey extends KeyOwner {
  readonly keyId: string;
}

/** Keys that others present to us, as keyed hashes. */
export interface AccessKeyStore {
  /**
   * Adds a key. The same value for the same owner again gives the key there is, so that a repeated call is harmless.
   * @throws DomainError KEY_TAKEN when the value serves or served anyone else or was revoked, CONFLICT above ten live
   * keys, MERCHANT_NOT_FOUND, OAUTH_CLIENT_NOT_FOUND. A bank need not be registered yet.
   */
  add(owner: KeyOwner, hash: Buffer): Promise<{ keyId: string }>;
  /** Ends a key; a repeat changes nothing. @throws DomainError KEY_NOT_FOUND for one this owner never had. */
  revoke(owner: KeyOwner, keyId: string): Promise<void>;
  /** The live key with this hash, of an owner who is not switched off. */
  findLive(kind: KeyKind, hash: Buffer): Promise<FoundKey | undefined>;
  /** Whether any live key has one of these hashes. */
  holdsAny(hashes: readonly Buffer[]): Promise<boolean>;
}

/** A store over the registry's schema. */
export function createAccessKeyStore(deps: { db: RegistryDatabase; clock: Clock }): AccessKeyStore {
  const { db, clock } = deps;
  return {
    add: (owner, hash) => addKey(db, clock.now(), owner, hash),
    revoke: (owner, keyId) => revokeKey(db, clock.now(), owner, keyId),
    findLive: async (kind, hash) => {
      const row = await db.query
        .selectFrom("access_keys as k")
        .leftJoin("merchants as m", (join) => join.onRef("m.id", "=", "k.owner_id").on("k.kind", "=", "merchant"))
        .select(["k.kind", "k.owner_id", "k.key_id", "m.status"])
        .where("k.hash", "=", hash)
        .where("k.kind", "=", kind)
        .where("k.revoked_at", "is", null)
        .executeTakeFirst();
      if (!row || row.status === "inactive") return undefined;
      return { kind: row.kind, ownerId: row.owner_id, keyId: row.key_id };
    },
    holdsAny: async (hashes) => {
      if (hashes.length === 0) return false;
      const row = await db.query
        .selectFrom("access_keys")
        .select("key_id")
        .where("hash", "in", [...hashes])
        .where("revoked_at", "is", null)
        .limit(1)
        .executeTakeFirst();
      return row !== undefined;
    },
  };
}

async function addKey(db: RegistryDatabase, now: Date, owner: KeyOwner, hash: Buffer): Promise<{ keyId: string }> {
  try {
    return await inTransaction(db, async (tx) => {
      // One addition for an owner at a time: the limit is counted under this lock.
      await lockName(tx, `keys:${owner.kind}:${owner.ownerId}`);
      await lockOwner(tx, owner);
      const same = await tx.selectFrom("access_keys").selectAll().where("hash", "=", hash).executeTakeFirst();
      if (same) return { keyId: checkSame(same, owner).key_id };
      const { live } = await tx
        .selectFrom("access_keys")
        .select((row) => row.fn.countAll<bigint>().as("live"))
        .where("kind", "=", owner.kind)
        .where("owner_id", "=", owner.ownerId)
        .where("revoked_at", "is", null)
        .executeTakeFirstOrThrow();
      if (live >= liveKeysMax)
        throw new DomainError("CONFLICT", { why: `Revoke a key first: ${liveKeysMax} are live` });
      const keyId = randomUUID();
      await tx
        .insertInto("access_keys")
        .values({ key_id: keyId, kind: owner.kind, owner_id: owner.ownerId, hash, created_at: now })
        .execute();
      await touchOwner(tx, owner, now);
      return { keyId };
    });
  } catch (error) {
    // Two owners were given one value at the same moment.
    if (sqlStateOf(error) === uniqueViolation) throw new DomainError("KEY_TAKEN", {}, { cause: error });
    throw error;
  }
}

function checkSame(row: Selectable<AccessKeyRow>, owner: KeyOwner): Selectable<AccessKeyRow> {
  if (row.kind === owner.kind && row.owner_id === owner.ownerId && row.revoked_at === null) return row;
  throw new DomainError("KEY_TAKEN");
}

function revokeKey(db: RegistryDatabase, now: Date, owner: KeyOwner, keyId: string): Promise<void> {
  if (!uuidPattern.test(keyId)) throw new DomainError("KEY_NOT_FOUND");
  return inTransaction(db, async (tx) => {
    await lockOwner(tx, owner);
    const row = await tx
      .selectFrom("access_keys")
      .select("revoked_at")
      .where("key_id", "=", keyId)
      .where("kind", "=", owner.kind)
      .where("owner_id", "=", owner.ownerId)
      .forUpdate()
      .executeTakeFirst();
    if (!row) throw new DomainError("KEY_NOT_FOUND");
    if (row.revoked_at !== null) return;
    await tx.updateTable("access_keys").set({ revoked_at: now }).where("key_id", "=", keyId).execute();
    await touchOwner(tx, owner, now);
  });
}

async function lockOwner(tx: Transaction<RegistryTables>, owner: KeyOwner): Promise<void> {
  // A bank's key comes before the bank.
  if (owner.kind === "bank") return;
  const table = owner.kind === "merchant" ? "merchants" : "oauth_clients";
  const row = await tx.selectFrom(table).select("id").where("id", "=", owner.ownerId).forUpdate().executeTakeFirst();
  if (!row) throw new DomainError(owner.kind === "merchant" ? "MERCHANT_NOT_FOUND" : "OAUTH_CLIENT_NOT_FOUND");
}

/** Followers hold the hashes of merchants and clients, so their rows change with them. Banks' keys are read here alone. */
async function touchOwner(tx: Transaction<RegistryTables>, owner: KeyOwner, now: Date): Promise<void> {
  if (owner.kind === "bank") return;
  const table = owner.kind === "merchant" ? "merchants" : "oauth_clients";
  await tx
    .updateTable(table)
    .set({ revision: await nextRevision(tx), updated_at: now })
    .where("id", "=", owner.ownerId)
    .execute();
}

/** Keys of several owners of one kind, oldest first. */
export async function readKeys(
  query: RegistryDatabase["query"],
  kind: KeyKind,
  ownerIds: readonly string[],
): Promise<Map<string, (KeySummary & { readonly hash: Buffer })[]>> {
  const keys = new Map<string, (KeySummary & { readonly hash: Buffer })[]>();
  if (ownerIds.length === 0) return keys;
  const rows = await query
    .selectFrom("access_keys")
    .selectAll()
    .where("kind", "=", kind)
    .where("owner_id", "in", [...ownerIds])
    .orderBy("created_at")
    .orderBy("key_id")
    .execute();
  for (const row of rows) {
    const list = keys.get(row.owner_id) ?? [];
    list.push({
      keyId: row.key_id,
      createdAt: row.created_at,
      revokedAt: row.revoked_at ?? undefined,
      hash: row.hash,
    });
    keys.set(row.owner_id, list);
  }
  return keys;
}
