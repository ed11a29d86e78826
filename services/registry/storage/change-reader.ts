import { type Kysely, sql } from "kysely";
import { inTransaction } from "../../platform/db/transaction.ts";
import type { KeySummary } from "../domain/access-key.ts";
import type { Bank } from "../domain/bank.ts";
import type { Merchant } from "../domain/merchant.ts";
import type { OauthClient } from "../domain/oauth-client.ts";
import { readKeys } from "./access-key-store.ts";
import { bankOf } from "./bank-rows.ts";
import { merchantOf } from "./merchant-store.ts";
import { clientOf } from "./oauth-client-store.ts";
import type { RegistryDatabase, RegistryTables } from "./tables.ts";

/** A live key as its verifiers need it. */
export type LiveKey = Pick<KeySummary, "keyId"> & { readonly hash: Buffer };

/** A row as it is now; `revision` is that of its last change. */
export type Change =
  | { readonly kind: "bank"; readonly revision: bigint; readonly bank: Bank; readonly apiKeySealed: Buffer | undefined }
  | { readonly kind: "merchant"; readonly revision: bigint; readonly merchant: Merchant; readonly keys: LiveKey[] }
  | {
      readonly kind: "oauth_client";
      readonly revision: bigint;
      readonly client: OauthClient;
      readonly secrets: LiveKey[];
    };

/** Rows changed after some revision, in the order of their last change. */
export interface ChangePage {
  readonly changes: readonly Change[];
  /** Everything up to here is in this page or an earlier one. */
  readonly revision: bigint;
  /** Nothing more had changed when the page was read. */
  readonly complete: boolean;
}

/** Reads what followers are told. */
export interface ChangeReader {
  /** The newest committed revision. */
  revision(): Promise<bigint>;
  /** At most `limit` rows changed after a revision, from one consistent view. After 0: every row there is. */
  changesAfter(revision: bigint, limit: number): Promise<ChangePage>;
}

/** A reader over the registry's schema. */
export function createChangeReader(deps: { db: RegistryDatabase }): ChangeReader {
  const { db } = deps;
  return {
    revision: async () => {
      const { rows } = await db.pool.query<{ revision: bigint }>({
        name: "registry-revision",
        text: "select revision from registry_revision",
      });
      return rows[0]?.revision ?? 0n;
    },
    changesAfter: (after, limit) =>
      // One view for the revision and every row: a row cannot move past the page while it is read.
      inTransaction(db, (tx) => readPage(tx, after, limit), { isolation: "repeatable read" }),
  };
}

async function readPage(tx: Kysely<RegistryTables>, after: bigint, limit: number): Promise<ChangePage> {
  const newest = await tx.selectFrom("registry_revision").select("revision").executeTakeFirstOrThrow();
  const { rows } = await sql<{ kind: Change["kind"]; id: string; revision: bigint }>`
    (select 'bank' as kind, id, revision from banks where revision > ${after} order by revision limit ${limit})
    union all
    (select 'merchant', id, revision from merchants where revision > ${after} order by revision limit ${limit})
    union all
    (select 'oauth_client', id, revision from oauth_clients where revision > ${after} order by revision limit ${limit})
    order by revision limit ${limit}`.execute(tx);
  const idsOf = (kind: Change["kind"]) => rows.filter((row) => row.kind === kind).map((row) => row.id);
  const changes = [
    ...(await readBanks(tx, idsOf("bank"))),
    ...(await readMerchants(tx, idsOf("merchant"))),
    ...(await readClients(tx, idsOf("oauth_client"))),
  ].sort((left, right) => (left.revision < right.revision ? -1 : 1));
  const complete = rows.length < limit;
  return { changes, complete, revision: complete ? newest.revision : (rows.at(-1)?.revision ?? newest.revision) };
}

async function readBanks(tx: Kysely<RegistryTables>, ids: string[]): Promise<Change[]> {
  if (ids.length === 0) return [];
  const rows = await tx.selectFrom("banks").selectAll().where("id", "in", ids).execute();
  return rows.map((row) => ({
    kind: "bank",
    revision: row.revision,
    bank: bankOf(row),
    apiKeySealed: row.api_key_sealed ?? undefined,
  }));
}

async function readMerchants(tx: Kysely<RegistryTables>, ids: string[]): Promise<Change[]> {
  if (ids.length === 0) return [];
  const rows = await tx.selectFrom("merchants").selectAll().where("id", "in", ids).execute();
  const keys = await readKeys(tx, "merchant", ids);
  return rows.map((row) => ({
    kind: "merchant",
    revision: row.revision,
    merchant: merchantOf(row, []),
    keys: (keys.get(row.id) ?? []).filter((key) => key.revokedAt === undefined),
  }));
}

async function readClients(tx: Kysely<RegistryTables>, ids: string[]): Promise<Change[]> {
  if (ids.length === 0) return [];
  const rows = await tx.selectFrom("oauth_clients").selectAll().where("id", "in", ids).execute();
  const secrets = await readKeys(tx, "oauth_client", ids);
  return rows.map((row) => ({
    kind: "oauth_client",
    revision: row.revision,
    client: clientOf(row, secrets.get(row.id) ?? []),
    secrets: (secrets.get(row.id) ?? []).filter((key) => key.revokedAt === undefined),
  }));
}
