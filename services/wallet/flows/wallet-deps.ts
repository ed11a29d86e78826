import type { Database } from "../../platform/db/open-database.ts";
import type { RateLimiter } from "../../platform/limits/rate-limiter.ts";
import type { Logger } from "../../platform/telemetry/logger.ts";
import type { Clock } from "../../platform/time/clock.ts";
import type { SealedBox } from "../../platform/vault/sealed-box.ts";
import type { BankDirectory } from "../clients/bank-directory.ts";
import type { CredentialConnections } from "../clients/credential-connections.ts";
import type { WalletTables } from "../storage/tables.ts";
import type { MobileTokens } from "./mobile-tokens.ts";
import type { SecretHash } from "./secret-hash.ts";

/** Settings that flows look at. */
export interface WalletSettings {
  /** Public origin of the wallet's API and pages, no trailing slash. */
  readonly appUrl: string;
  /** Issuer of the wallet's OIDC provider, on its own origin. */
  readonly oidcIssuer: string;
  /** Where people see their connections of data providers; undefined where nobody serves that. */
  readonly connectionsUrl?: string | undefined;
  /** Codes are also answered to their caller; never in production. */
  readonly devCodes: boolean;
}

/** What every use case of the wallet is given. */
export interface WalletDeps {
  readonly db: Database<WalletTables>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly settings: WalletSettings;
  readonly hash: SecretHash;
  readonly box: SealedBox;
  readonly limiter: RateLimiter;
  readonly tokens: MobileTokens;
  readonly credential: CredentialConnections;
  readonly directory: BankDirectory;
}
