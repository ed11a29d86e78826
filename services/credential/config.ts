import { z } from "zod";
import { meshConfigShape } from "../platform/config/mesh-config.ts";
import { type Environment, readConfig, wholeNumber } from "../platform/config/read-config.ts";
import { encryptionKeyRequired } from "../platform/vault/master-key.ts";
import { connectorSettingsShape } from "./connectors/registry.ts";

const encryptionKeyLengthMin = 32;

const schema = z.object({
  ...connectorSettingsShape,
  ...meshConfigShape,
  DATABASE_SCHEMA: meshConfigShape.DATABASE_SCHEMA.default("credential"),
  /** `host:port` of the Registry's gRPC port. */
  REGISTRY_ADDRESS: z.string().regex(/^[^\s:]+:\d{1,5}$/, "needs the form host:port"),
  /** Wraps every data key. At least 32 random characters; losing it loses every secret stored here. */
  CREDENTIAL_ENCRYPTION_KEY: z
    .string({ error: encryptionKeyRequired })
    .min(encryptionKeyLengthMin, encryptionKeyRequired),
  /** How far back transactions are fetched and kept; an owner may keep his shorter. */
  TRANSACTION_RETENTION_DAYS: wholeNumber({ min: 1, max: 3_650, otherwise: 730 }),
  /** The longest one request to a bank may take. Two of them have to fit into the lease of a refresh, 20 s. */
  PROVIDER_TIMEOUT_MS: wholeNumber({ min: 100, max: 9_000, otherwise: 8_000 }),
});

/** The settings of the Credential service. */
export type CredentialConfig = Readonly<z.infer<typeof schema>>;

/** Reads them; throws a ConfigError naming every problem. */
export function readCredentialConfig(env: Environment): CredentialConfig {
  // Missing and too short are one mistake with one answer.
  return readConfig(schema, { ...env, CREDENTIAL_ENCRYPTION_KEY: env["CREDENTIAL_ENCRYPTION_KEY"] || "-" });
}
