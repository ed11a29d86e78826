import { z } from "zod";
import { environmentName, httpUrl, port, secretText, wholeNumber } from "../../platform/config/read-config.ts";
import { webhookMode } from "./domain/settings.ts";

/** The sandbox's environment. URLs are without a trailing slash. */
export const trueLayerSandboxConfig = z
  .object({
    PAYMESH_ENV: environmentName,
    BIND_HOST: z.string().default("127.0.0.1"),
    PORT: port.default(9201),
    /** Where browsers and clients reach the sandbox: auth host and data host in one. */
    SANDBOX_ORIGIN: httpUrl.default("http://127.0.0.1:9201"),
    /** Let the control API in. Also seals the key webhooks are signed with, so a changed one ends the start. */
    SANDBOX_CONTROL_KEY: secretText(16),
    /** The app that may use the sandbox, as registered in TrueLayer's Console. */
    TRUELAYER_CLIENT_ID: z.string().min(1).max(200),
    TRUELAYER_CLIENT_SECRET: secretText(8),
    /** What people know the app by. */
    TRUELAYER_APP_NAME: z.string().min(1).max(60).default("Paymesh"),
    /** Registered return addresses, separated by commas. */
    TRUELAYER_REDIRECT_URIS: z.string().transform(parseUris),
    /** Where events go; none are sent when unset, unless the control API names an address. */
    TRUELAYER_WEBHOOK_URL: httpUrl.optional(),
    TRUELAYER_WEBHOOK_MODE: webhookMode.exclude(["unsigned"]).default("tl_signature"),
    /** The secret of mode `hmac`. */
    TRUELAYER_WEBHOOK_SECRET: secretText(8).optional(),
    /** The header that carries the HMAC. */
    TRUELAYER_WEBHOOK_HMAC_HEADER: z
      .string()
      .regex(/^[A-Za-z0-9-]{1,64}$/)
      .default("X-TrueLayer-Signature"),
    DATABASE_URL: z.string().min(1),
    DATABASE_SCHEMA: z.string().default("truelayer"),
    DATABASE_POOL_SIZE: wholeNumber({ min: 1, max: 100, otherwise: 5 }),
  })
  .superRefine((config, context) => {
    if (config.TRUELAYER_WEBHOOK_MODE === "hmac" && config.TRUELAYER_WEBHOOK_SECRET === undefined) {
      context.addIssue({ code: "custom", path: ["TRUELAYER_WEBHOOK_SECRET"], message: "mode hmac needs it" });
    }
    // A sandbox hands anybody's demo data to whoever has its published passwords.
    if (config.PAYMESH_ENV !== "local") {
      context.addIssue({ code: "custom", path: ["PAYMESH_ENV"], message: "a sandbox runs only where it is local" });
    }
  });

/** The sandbox's configuration as read. */
export type TrueLayerSandboxConfig = z.infer<typeof trueLayerSandboxConfig>;

function parseUris(text: string, context: z.RefinementCtx): readonly string[] {
  const uris = text
    .split(",")
    .map((uri) => uri.trim())
    .filter((uri) => uri !== "");
  if (uris.length === 0 || uris.some((uri) => !URL.canParse(uri))) {
    context.addIssue({ code: "custom", message: "must be a list of absolute URLs" });
  }
  return uris;
}
