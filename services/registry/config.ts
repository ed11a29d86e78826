import { z } from "zod";
import { meshConfigShape } from "../platform/config/mesh-config.ts";
import { type Environment, readConfig, secretText, wholeNumber } from "../platform/config/read-config.ts";

const schema = z.object({
  ...meshConfigShape,
  DATABASE_SCHEMA: meshConfigShape.DATABASE_SCHEMA.default("registry"),
  /** Seals the keys under which banks are called. */
  REGISTRY_ENCRYPTION_KEY: secretText(32),
  /** The one before, while rows sealed under it remain. */
  REGISTRY_ENCRYPTION_KEY_PREVIOUS: secretText(32).optional(),
  HEALTH_PROBE_INTERVAL_MS: wholeNumber({ min: 100, max: 3_600_000, otherwise: 30_000 }),
  HEALTH_PROBE_TIMEOUT_MS: wholeNumber({ min: 100, max: 60_000, otherwise: 5_000 }),
  /** How long a bank whose circuit opened is left alone. */
  HEALTH_CIRCUIT_OPEN_MS: wholeNumber({ min: 100, max: 3_600_000, otherwise: 60_000 }),
});

/** The Registry's settings. */
export type RegistryConfig = Readonly<z.infer<typeof schema>>;

/** Reads them; throws a ConfigError naming every problem. */
export function readRegistryConfig(env: Environment): RegistryConfig {
  return readConfig(schema, env);
}
