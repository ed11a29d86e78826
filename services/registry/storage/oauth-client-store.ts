import type { Selectable } from "kysely";
import { inTransaction } from "../../platform/db/transaction.ts";
import type { Clock } from "../../platform/time/clock.ts";
import type { KeySummary } from "../domain/access-key.ts";
import type { OauthClient, OauthClientSettings } from "../domain/oauth-client.ts";
import { readKeys } from "./access-key-store.ts";
import { lockName, nextRevision } from "./revision.ts";
import type { OauthClientRow, RegistryDatabase } from "./tables.ts";

/** Settings to store; an absent status leaves the stored one. */
export type PutOauthClient = Omit<OauthClientSettings, "status"> & {
  readonly status: "active" | "inactive" | undefined;
};

/** The rows of OAuth clients. */
export interface OauthClientStore {
  /** Creates a client or replaces its settings; equal settings write nothing. Secrets are kept apart. */
  put(settings: PutOauthClient): Promise<{ client: OauthClient; created: boolean }>;
  /** By id, after `after`. */
  list(page: { after: string; limit: number }): Promise<OauthClient[]>;
}

/** A store over the registry's schema. */
export function createOauthClientStore(deps: { db: RegistryDatabase; clock: Clock }): OauthClientStore {
  const { db, clock } = deps;
  return {
    put: (settings) =>
      inTransaction(db, async (tx) => {
        const { id } = settings;
        await lockName(tx, `oauth-client:${id}`);
        const stored = await tx
          .selectFrom("oauth_clients")
          .selectAll()
          .where("id", "=", id)
          .forUpdate()
          .executeTakeFirst();
        const secrets = (await readKeys(tx, "oauth_client", [id])).get(id) ?? [];
        const columns = columnsOf(settings, stored?.status ?? "active");
        if (stored && JSON.stringify(columns) === JSON.stringify(columnsOf(clientOf(stored, []), stored.status))) {
          return { client: clientOf(stored, secrets), created: false };
        }
        const now = clock.now();
        const change = { ...columns, revision: await nextRevision(tx), updated_at: now };
        const row = await tx
          .insertInto("oauth_clients")
          .values({ id, created_at: now, ...change })
          .onConflict((conflict) => conflict.column("id").doUpdateSet(change))
          .returningAll()
          .executeTakeFirstOrThrow();
        return { client: clientOf(row, secrets), created: stored === undefined };
      }),
    list: async ({ after, limit }) => {
      const rows = await db.query
        .selectFrom("oauth_clients")
        .selectAll()
        .where("id", ">", after)
        .orderBy("id")
        .limit(limit)
        .execute();
      const secrets = await readKeys(
        db.query,
        "oauth_client",
        rows.map((row) => row.id),
      );
      return rows.map((row) => clientOf(row, secrets.get(row.id) ?? []));
    },
  };
}

function columnsOf(settings: PutOauthClient, statusOtherwise: "active" | "inactive") {
  return {
    name: settings.name,
    redirect_uris: [...settings.redirectUris],
    post_logout_redirect_uris: [...settings.postLogoutRedirectUris],
    scopes: [...settings.scopes],
    merchant_id: settings.merchantId,
    status: settings.status ?? statusOtherwise,
  };
}

/** A stored row as the domain sees it. */
export function clientOf(row: Selectable<OauthClientRow>, secrets: readonly KeySummary[]): OauthClient {
  return {
    id: row.id,
    name: row.name,
    redirectUris: row.redirect_uris,
    postLogoutRedirectUris: row.post_logout_redirect_uris,
    scopes: row.scopes,
    merchantId: row.merchant_id,
    status: row.status,
    secrets,
    revision: row.revision,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}
