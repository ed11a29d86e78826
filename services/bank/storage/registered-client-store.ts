import type { Database } from "../../platform/db/open-database.ts";
import type { IdentityTables } from "./identity-tables.ts";

/** A party that may use the bank's OIDC server, as the server needs it. */
export interface RegisteredClient {
  readonly clientId: string;
  readonly name: string;
  /** Keyed hash of the secret; undefined for a public client. */
  readonly secretHash: Buffer | undefined;
  readonly redirectUris: readonly string[];
  readonly postLogoutRedirectUris: readonly string[];
  readonly scopes: readonly string[];
  readonly grantTypes: readonly string[];
  /** The id this merchant has at the payment network. */
  readonly merchantId: string | undefined;
}

/** Reads active clients; operators write them. */
export interface RegisteredClients {
  find(clientId: string): Promise<RegisteredClient | undefined>;
}

/** Opens the reader. */
export function createRegisteredClients(db: Pick<Database<IdentityTables>, "query">): RegisteredClients {
  return {
    async find(clientId) {
      const row = await db.query
        .selectFrom("oauth_clients")
        .selectAll()
        .where("client_id", "=", clientId)
        .where("active", "=", true)
        .executeTakeFirst();
      return (
        row && {
          clientId: row.client_id,
          name: row.client_name,
          secretHash: row.secret_hash ?? undefined,
          redirectUris: row.redirect_uris,
          postLogoutRedirectUris: row.post_logout_redirect_uris,
          scopes: row.scopes,
          grantTypes: row.grant_types,
          merchantId: row.merchant_id ?? undefined,
        }
      );
    },
  };
}
