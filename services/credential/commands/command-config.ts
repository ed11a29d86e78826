import { z } from "zod";
import { meshConfigShape } from "../../platform/config/mesh-config.ts";
import { type Environment, readConfig } from "../../platform/config/read-config.ts";
import { masterKeySettingsShape, withMasterKeyRequired } from "../master-keys.ts";

const schema = z.object({
  ...masterKeySettingsShape,
  PAYMESH_ENV: meshConfigShape.PAYMESH_ENV,
  DATABASE_URL: meshConfigShape.DATABASE_URL,
  DATABASE_SCHEMA: meshConfigShape.DATABASE_SCHEMA.default("credential"),
});

/** What the operators' commands need of the service's settings. */
export type CommandConfig = Readonly<z.infer<typeof schema>>;

/** Reads them; throws a ConfigError naming every problem. */
export function readCommandConfig(env: Environment): CommandConfig {
  return readConfig(schema, withMasterKeyRequired(env));
}
