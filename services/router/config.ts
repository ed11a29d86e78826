import { z } from "zod";
import { meshConfigShape } from "../platform/config/mesh-config.ts";
import { type Environment, readConfig, secretText } from "../platform/config/read-config.ts";

const shape = z.object({
  ...meshConfigShape,
  DATABASE_SCHEMA: meshConfigShape.DATABASE_SCHEMA.default("router"),
  /** `host:port` of the Registry's gRPC port. */
  REGISTRY_ADDRESS: z.string().regex(/^[^\s:]+:\d{1,5}$/, "needs host:port"),
  /** The bank asked for a card token that names none, when no walletCardToken comes with it. */
  DEFAULT_BSIM_ID: z.string().min(1).max(64),
  /**
   * Derives payment ids; the same in every replica and for ever, or repeats are not recognised. The key of the kept
   * picture of the Registry is derived from it too.
   */
  PAYMENT_ID_KEY: secretText(32),
});

/** The Router's settings, frozen. */
export type RouterConfig = Readonly<z.infer<typeof shape>>;

/** Reads the settings. Throws a ConfigError that names every problem. */
export function readRouterConfig(env: Environment): RouterConfig {
  return readConfig(shape, env);
}
