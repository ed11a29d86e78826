import { type Selectable, sql } from "kysely";
import type { Database } from "../../platform/db/open-database.ts";
import type { MoneyTables, OauthClientsTable } from "./tables.ts";

/** An OAuth client of the bank; `secretHash` undefined when a write leaves the stored one as it is. */
export interface OauthClient {
  readonly clientId: string;
  readonly clientName: string;
  readonly redirectUris: readonly string[];
  readonly scopes: readonly string[];
  readonly grantTypes: readonly string[];
  readonly postLogoutRedirectUris: readonly string[];
  readonly merchantId: string | null;
  readonly active: boolean;
}

/** Clients of the bank's OIDC server, as operators write them. */
export interface OauthClientStore {
  /** Creates or replaces a client. Without a hash a new client is public and an existing one keeps its secret. */
  put(client: OauthClient, secretHash: Buffer | undefined): Promise<"created" | "updated">;
  find(clientId: string): Promise<OauthClient | undefined>;
  list(limit: number): Promise<OauthClient[]>;
}

/** Opens the store. */
export function createOauthClientStore<T extends MoneyTables>(db: Pick<Database<T>, "query">): OauthClientStore {
  return {
    async put(client, secretHash) {
      const written = await sql<{ created: boolean }>`insert into oauth_clients (client_id, client_name, secret_hash,
          redirect_uris, scopes, grant_types, post_logout_redirect_uris, merchant_id, active)
        values (${client.clientId}, ${client.clientName}, ${secretHash ?? null}, ${[...client.redirectUris]}::text[],
          ${[...client.scopes]}::text[], ${[...client.grantTypes]}::text[], ${[...client.postLogoutRedirectUris]}::text[],
          ${client.merchantId}, ${client.active})
        on conflict (client_id) do update set client_name = excluded.client_name,
          secret_hash = coalesce(excluded.secret_hash, oauth_clients.secret_hash),
          redirect_uris = excluded.redirect_uris, scopes = excluded.scopes, grant_types = excluded.grant_types,
          post_logout_redirect_uris = excluded.post_logout_redirect_uris, merchant_id = excluded.merchant_id,
          active = excluded.active, updated_at = now()
        returning xmax = 0 as created`.execute(db.query);
      return written.rows[0]?.created === true ? "created" : "updated";
    },
    async find(clientId) {
      const found = await sql<Selectable<OauthClientsTable>>`select * from oauth_clients
        where client_id = ${clientId}`.execute(db.query);
      return found.rows[0] && toClient(found.rows[0]);
    },
    async list(limit) {
      const found = await sql<Selectable<OauthClientsTable>>`select * from oauth_clients
        order by client_id limit ${limit}`.execute(db.query);
      return found.rows.map(toClient);
    },
  };
}

function toClient(row: Selectable<OauthClientsTable>): OauthClient {
  return {
    clientId: row.client_id,
    clientName: row.client_name,
    redirectUris: row.redirect_uris,
    scopes: row.scopes,
    grantTypes: row.grant_types,
    postLogoutRedirectUris: row.post_logout_redirect_uris,
    merchantId: row.merchant_id,
    active: row.active,
  };
}
