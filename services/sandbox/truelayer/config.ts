import { z } from "zod";
import { httpUrl, secretText } from "../../platform/config/read-config.ts";
import { addressList, sandboxShape } from "../kit/config.ts";
import { webhookMode } from "./domain/settings.ts";

/** The sandbox's environment. URLs are without a trailing slash. */
export const trueLayerSandboxConfig = z
  .object({
    ...sandboxShape({ port: 9201, schema: "truelayer" }),
    /** The app that may use the sandbox, as registered in TrueLayer's Console. */
    TRUELAYER_CLIENT_ID: z.string().min(1).max(200),
    TRUELAYER_CLIENT_SECRET: secretText(8),
    /** What people know the app by. */
    TRUELAYER_APP_NAME: z.string().min(1).max(60).default("Paymesh"),
    /** Registered return addresses, separated by commas. */
    TRUELAYER_REDIRECT_URIS: addressList.refine((uris) => uris.length > 0, "must name an address"),
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
  })
  .superRefine((config, context) => {
    if (config.TRUELAYER_WEBHOOK_MODE === "hmac" && config.TRUELAYER_WEBHOOK_SECRET === undefined) {
      context.addIssue({ code: "custom", path: ["TRUELAYER_WEBHOOK_SECRET"], message: "mode hmac needs it" });
    }
  });

/** The sandbox's configuration as read. */
export type TrueLayerSandboxConfig = z.infer<typeof trueLayerSandboxConfig>;
