import { z } from "zod";
import { ConfigError } from "../platform/config/config-error.ts";
import { meshConfigShape } from "../platform/config/mesh-config.ts";
import {
  type Environment,
  flag,
  httpUrl,
  readConfig,
  secretText,
  wholeNumber,
} from "../platform/config/read-config.ts";
import { jobConnectionsMax } from "../platform/jobs/worker.ts";

const schema = z.object({
  ...meshConfigShape,
  DATABASE_SCHEMA: meshConfigShape.DATABASE_SCHEMA.default("wallet"),
  /** Connections the process opens at most, those of its job queue among them. */
  DATABASE_POOL_SIZE: wholeNumber({ min: jobConnectionsMax + 2, max: 100, otherwise: jobConnectionsMax + 14 }),
  REGISTRY_ADDRESS: z.string().min(1),
  CREDENTIAL_ADDRESS: z.string().min(1),
  /** Hashes and seals what the wallet keeps: codes, cookies, states, mail, signing keys. */
  WALLET_ENCRYPTION_KEY: secretText(32),
  /** Public origin of API and pages. */
  WALLET_APP_URL: httpUrl,
  /** Issuer of the OIDC provider, on an origin of its own. */
  WALLET_OIDC_ISSUER: httpUrl,
  /** Where people see their connections of data providers: Credential's pages; not linked to when unset. */
  WALLET_CONNECTIONS_URL: httpUrl.optional(),
  SMTP_URL: z.url({ protocol: /^smtps?$/ }),
  MAIL_FROM: z.string().min(3),
  /** Answers sign-in codes to whoever asks for them; local mode alone. */
  WALLET_DEV_CODES: flag,
});

/** The wallet's settings. */
export type WalletConfig = Readonly<z.infer<typeof schema>>;

/**
 * Reads them; throws a ConfigError naming every problem. Outside local mode the public URLs must be https and codes are
 * never answered to their caller.
 */
export function readWalletConfig(env: Environment): WalletConfig {
  const config = readConfig(schema, env);
  if (config.PAYMESH_ENV === "local") return config;
  const problems: string[] = [];
  if (config.WALLET_DEV_CODES) problems.push("WALLET_DEV_CODES: only PAYMESH_ENV=local may use it");
  for (const name of ["WALLET_APP_URL", "WALLET_OIDC_ISSUER", "WALLET_CONNECTIONS_URL"] as const) {
    if (config[name]?.startsWith("https:") === false) problems.push(`${name}: must be https outside local mode`);
  }
  if (problems.length > 0) throw new ConfigError(problems);
  return config;
}
