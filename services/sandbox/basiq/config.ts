import { z } from "zod";
import { httpUrl, secretText, wholeNumber } from "../../platform/config/read-config.ts";
import { sandboxShape } from "../kit/config.ts";

const minuteMs = 60_000;

/** The Basiq sandbox's environment. */
export const basiqSandboxConfig = z.object({
  ...sandboxShape({ port: 9205, schema: "sandbox_basiq" }),
  /** The one application's key, as it stands behind `Basic`. */
  BASIQ_API_KEY: secretText(8),
  /** What the consent page calls the application. */
  BASIQ_APPLICATION_NAME: z.string().min(1).max(60).default("Paymesh"),
  /** Where the consent page sends people back to; Basiq has it from its dashboard. */
  BASIQ_REDIRECT_URL: z.url({ protocol: /^https?$/ }),
  /** An endpoint for webhooks of every kind that is there from the start, with its secret; both or neither. */
  BASIQ_WEBHOOK_URL: httpUrl.optional(),
  BASIQ_WEBHOOK_SECRET: z
    .string()
    .regex(/^whsec_[A-Za-z0-9+/]{32,88}={0,2}$/, "must be whsec_ and base64 of 24 to 64 bytes")
    .optional(),
  /** How long each step of a job takes. */
  BASIQ_JOB_STEP_MS: wholeNumber({ min: 0, max: 60 * minuteMs, otherwise: 500 }),
  /** Between the regular refreshes of a connection. */
  BASIQ_REFRESH_MS: wholeNumber({ min: 100, max: 24 * 60 * minuteMs, otherwise: 6 * 60 * minuteMs }),
});

/** The sandbox's configuration as read. */
export type BasiqSandboxConfig = z.infer<typeof basiqSandboxConfig>;
