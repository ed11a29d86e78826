import { z } from "zod";
import { meshConfigShape } from "../platform/config/mesh-config.ts";
import { type Environment, httpUrl, readConfig, wholeNumber } from "../platform/config/read-config.ts";
import { connectorSettingsShape } from "./connectors/registry.ts";
import { masterKeySettingsShape, withMasterKeyRequired } from "./master-keys.ts";

const schema = z.object({
  ...connectorSettingsShape,
  ...meshConfigShape,
  ...masterKeySettingsShape,
  DATABASE_SCHEMA: meshConfigShape.DATABASE_SCHEMA.default("credential"),
  /** `host:port` of the Registry's gRPC port. */
  REGISTRY_ADDRESS: z.string().regex(/^[^\s:]+:\d{1,5}$/, "needs the form host:port"),
  /** `host:port` of the wallet's gRPC port, which judges phones' tokens and browsers' sessions; both are refused here when unset. */
  WALLET_ADDRESS: z
    .string()
    .regex(/^[^\s:]+:\d{1,5}$/, "needs the form host:port")
    .optional(),
  /**
   * Where browsers reach the gateway: providers send people back to `/api/connectors/NAME/callback` below it, and the pages at
   * `/connections` are served with it.
   */
  CREDENTIAL_PUBLIC_URL: httpUrl.optional(),
  /** Where a person may be sent after a consent, whole addresses separated by commas; the first one when a caller names none. */
  CREDENTIAL_RETURN_URLS: z
    .string()
    .default("")
    .transform((text) => text.split(",").flatMap((each) => (each.trim() === "" ? [] : [each.trim()])))
    .refine((urls) => urls.every((url) => URL.canParse(url)), "needs whole addresses, separated by commas"),
  /** How far back transactions are fetched and kept; an owner may keep his shorter. */
  TRANSACTION_RETENTION_DAYS: wholeNumber({ min: 1, max: 3_650, otherwise: 730 }),
  /** The longest one request to a bank may take. Two of them have to fit into the lease of a refresh, 20 s. */
  PROVIDER_TIMEOUT_MS: wholeNumber({ min: 100, max: 9_000, otherwise: 8_000 }),
});

/** The settings of the Credential service. */
export type CredentialConfig = Readonly<z.infer<typeof schema>>;

/** Reads them; throws a ConfigError naming every problem. */
export function readCredentialConfig(env: Environment): CredentialConfig {
  return readConfig(schema, withMasterKeyRequired(env));
}
