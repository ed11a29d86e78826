import type { Database } from "../../platform/db/open-database.ts";
import type { OauthClientDirectory } from "../clients/oauth-clients.ts";
import type { WalletDeps } from "../flows/wallet-deps.ts";
import type { WalletOidcTables } from "../storage/oidc-payments-store.ts";
import { deriveOidcKeys, type OidcDeps } from "./oidc-deps.ts";

/** Joins what the OIDC half needs beside what the wallet's use cases have. */
export function composeOidc(
  wallet: WalletDeps,
  parts: {
    readonly clients: OauthClientDirectory;
    readonly encryptionKey: string;
    readonly apiKeyPepper: string;
    readonly allowHttp: boolean;
  },
): OidcDeps {
  return {
    ...wallet,
    // One database: the wallet's use cases do not know the provider's tables, which lie in the same schema.
    oidcDb: wallet.db as unknown as Database<WalletOidcTables>,
    clients: parts.clients,
    clientSecretPepper: parts.apiKeyPepper,
    keys: deriveOidcKeys(parts.encryptionKey),
    allowHttp: parts.allowHttp,
  };
}
