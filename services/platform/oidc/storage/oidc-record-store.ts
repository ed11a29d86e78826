import { createHash } from "node:crypto";
import { type ColumnType, type Generated, sql, type Transaction } from "kysely";
import type { HotStatement } from "../../db/hot-statements.ts";
import type { Database } from "../../db/open-database.ts";
import { inTransaction } from "../../db/transaction.ts";

type Json = ColumnType<Record<string, unknown>, string, string>;

/** Tables of `oidc-tables.sql`; a service's own table type extends this one. */
export interface OidcTables {
  oidc_records: {
    model: string;
    id_hash: Buffer;
    payload: Json;
    grant_id: string | null;
    uid: string | null;
    user_code: string | null;
    consumed_at: Date | null;
    expires_at: Date | null;
    created_at: Generated<Date>;
  };
  oidc_signing_keys: {
    alg: string;
    generation: number;
    key_id: string;
    sealed_key: Buffer;
    created_at: Generated<Date>;
    retired_at: Date | null;
  };
}

/** A record as stored; `payload` is what the OIDC server gave, without the id. */
export interface OidcRecord {
  readonly payload: Record<string, unknown>;
  readonly consumedAt: Date | undefined;
}

/** What is written with a record beside its payload. */
export interface NewOidcRecord {
  readonly model: string;
  readonly id: string;
  readonly payload: Record<string, unknown>;
  readonly grantId: string | undefined;
  readonly uid: string | undefined;
  readonly userCode: string | undefined;
  readonly expiresAt: Date | undefined;
}

/** Runs in the transaction that ends a grant, so that what hangs on the grant outside these tables ends with it. */
export type GrantEnding = (tx: Transaction<OidcTables>, grantId: string) => Promise<void>;

/** Where an OIDC server's state lives. Ids are hashed before they reach a statement. */
export interface OidcRecordStore {
  /** Writes or replaces. False, and nothing written, when the record belongs to a grant that has ended. */
  upsert(record: NewOidcRecord): Promise<boolean>;
  find(model: string, id: string): Promise<OidcRecord | undefined>;
  findByUid(model: string, uid: string): Promise<OidcRecord | undefined>;
  findByUserCode(model: string, userCode: string): Promise<OidcRecord | undefined>;
  /** Marks as used. True for exactly one of any number of callers. */
  consume(model: string, id: string, now: Date): Promise<boolean>;
  /** When the record was consumed; undefined when it was not, or is gone. */
  consumedAt(model: string, id: string): Promise<Date | undefined>;
  destroy(model: string, id: string): Promise<void>;
  /** Removes what a grant gave of one kind, the grant itself stays. */
  destroyByGrant(model: string, grantId: string): Promise<void>;
  /** Ends a grant and everything it gave, in one transaction. A repeat does nothing. */
  endGrant(grantId: string): Promise<void>;
  /** Removes at most `limit` records past their time by `now`; returns how many. Safe on several replicas at once. */
  sweepExpired(now: Date, limit: number): Promise<number>;
}

/** SHA-256 of an id. Ids are random and long, so the hash needs no pepper to be useless to whoever reads the table. */
function hashId(id: string): Buffer {
  return createHash("sha256").update(id).digest();
}

// Every call with a token asks.
const findById: HotStatement = {
  name: "oidc_find_record",
  text: `select payload, consumed_at as "consumedAt" from oidc_records where model = $1 and id_hash = $2`,
};

interface FoundRow {
  readonly payload: Record<string, unknown>;
  readonly consumedAt: Date | null;
}

/** Makes the store over a service's database. */
export function createOidcRecordStore(
  db: Pick<Database<OidcTables>, "query" | "hot">,
  onGrantEnd?: GrantEnding,
): OidcRecordStore {
  const { query } = db;
  const find = async (model: string, id: string): Promise<OidcRecord | undefined> => {
    const [row] = await db.hot<FoundRow>(findById, [model, hashId(id)]);
    return row && { payload: row.payload, consumedAt: row.consumedAt ?? undefined };
  };
  const lookup = async (model: string, column: "uid" | "user_code", value: string) => {
    const row = await query
      .selectFrom("oidc_records")
      .select(["payload", "consumed_at"])
      .where("model", "=", model)
      .where(column, "=", value)
      .orderBy("created_at", "desc")
      .limit(1)
      .executeTakeFirst();
    return row === undefined ? undefined : { payload: row.payload, consumedAt: row.consumed_at ?? undefined };
  };
  return {
    upsert: (record) => inTransaction(db, (tx) => upsert(tx, record)),
    find,
    findByUid: (model, uid) => lookup(model, "uid", uid),
    findByUserCode: (model, userCode) => lookup(model, "user_code", userCode),
    async consume(model, id, now) {
      const result = await query
        .updateTable("oidc_records")
        .set({ consumed_at: now })
        .where("model", "=", model)
        .where("id_hash", "=", hashId(id))
        .where("consumed_at", "is", null)
        .executeTakeFirst();
      return result.numUpdatedRows === 1n;
    },
    async consumedAt(model, id) {
      return (await find(model, id))?.consumedAt;
    },
    async destroy(model, id) {
      await query.deleteFrom("oidc_records").where("model", "=", model).where("id_hash", "=", hashId(id)).execute();
    },
    async destroyByGrant(model, grantId) {
      await query.deleteFrom("oidc_records").where("model", "=", model).where("grant_id", "=", grantId).execute();
    },
    endGrant: (grantId) => inTransaction(db, (tx) => endOidcGrant(tx, grantId, onGrantEnd)),
    sweepExpired: (now, limit) => sweepExpired(query, now, limit),
  };
}

/** Ends a grant inside the caller's transaction: what `endGrant` does, for those who end it together with rows of their own. */
export async function endOidcGrant(
  tx: Transaction<OidcTables>,
  grantId: string,
  onGrantEnd?: GrantEnding,
): Promise<void> {
  // The grant's row first: its lock waits for tokens being written under it, and those that come later find it gone.
  await tx.deleteFrom("oidc_records").where("model", "=", "Grant").where("id_hash", "=", hashId(grantId)).execute();
  await tx.deleteFrom("oidc_records").where("grant_id", "=", grantId).execute();
  await onGrantEnd?.(tx, grantId);
}

async function upsert(tx: Transaction<OidcTables>, record: NewOidcRecord): Promise<boolean> {
  if (record.grantId !== undefined) {
    // Held until commit, so that a token cannot slip in beside the end of its grant.
    const grant = await tx
      .selectFrom("oidc_records")
      .select("model")
      .where("model", "=", "Grant")
      .where("id_hash", "=", hashId(record.grantId))
      .forKeyShare()
      .executeTakeFirst();
    if (grant === undefined) return false;
  }
  const values = {
    payload: JSON.stringify(record.payload),
    grant_id: record.grantId ?? null,
    uid: record.uid ?? null,
    user_code: record.userCode ?? null,
    expires_at: record.expiresAt ?? null,
  };
  await tx
    .insertInto("oidc_records")
    .values({ model: record.model, id_hash: hashId(record.id), consumed_at: null, ...values })
    .onConflict((conflict) => conflict.columns(["model", "id_hash"]).doUpdateSet(values))
    .execute();
  return true;
}

async function sweepExpired(query: Database<OidcTables>["query"], now: Date, limit: number): Promise<number> {
  const result = await sql`delete from oidc_records where (model, id_hash) in (
    select model, id_hash from oidc_records where expires_at < ${now}
     order by expires_at limit ${limit} for update skip locked)`.execute(query);
  return Number(result.numAffectedRows ?? 0n);
}
