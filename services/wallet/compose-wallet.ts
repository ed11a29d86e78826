import type { Database } from "../platform/db/open-database.ts";
import { createRateLimiter } from "../platform/limits/rate-limiter.ts";
import type { Logger } from "../platform/telemetry/logger.ts";
import type { Clock } from "../platform/time/clock.ts";
import type { BankDirectory } from "./clients/bank-directory.ts";
import type { CredentialConnections } from "./clients/credential-connections.ts";
import { loadMobileTokens } from "./flows/mobile-tokens.ts";
import { deriveSecrets } from "./flows/secret-hash.ts";
import type { WalletDeps, WalletSettings } from "./flows/wallet-deps.ts";
import type { WalletTables } from "./storage/tables.ts";

/** Joins what the wallet's use cases need out of what the process has opened. Makes the signing key at the first start. */
export async function composeWallet(parts: {
  readonly db: Database<WalletTables>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly settings: WalletSettings;
  readonly encryptionKey: string;
  readonly credential: CredentialConnections;
  readonly directory: BankDirectory;
}): Promise<WalletDeps> {
  const { db, clock, log, settings, credential, directory } = parts;
  const { hash, box } = deriveSecrets(parts.encryptionKey);
  const tokens = await loadMobileTokens({ db, box, issuer: settings.appUrl, clock });
  // The limiter reads its own table by name and no other.
  const limiter = createRateLimiter({ db });
  return { db, clock, log, settings, hash, box, tokens, limiter, credential, directory };
}
