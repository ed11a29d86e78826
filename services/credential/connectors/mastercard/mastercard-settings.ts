import { z } from "zod";
import { httpUrl } from "../../../platform/config/read-config.ts";

const pem = z.string().transform((text) => text.replaceAll("\\n", "\n"));

/** Mastercard Open Finance's variables. It is set up once partner id, partner secret and application key are there. */
export const mastercardSettings = {
  OPEN_BANKING_PARTNER_ID: z.string().max(64).optional(),
  /** Logs the partner in, and signs Connect's webhooks. */
  OPEN_BANKING_PARTNER_SECRET: z.string().max(255).optional(),
  /** The one before it, while webhooks signed with it may still arrive. */
  OPEN_BANKING_PARTNER_SECRET_PREVIOUS: z.string().max(255).optional(),
  OPEN_BANKING_APP_KEY: z.string().max(200).optional(),
  OPEN_BANKING_BASE_URL: httpUrl.default("https://api.finicity.com"),
  /** `testing` customers reach the provider's test banks alone, and cost nothing. */
  OPEN_BANKING_CUSTOMER_TYPE: z.enum(["active", "testing"]).default("active"),
  /** Where Connect sends its webhooks, ending in `/api/open-banking/webhook`; none are asked for when unset. */
  OPEN_BANKING_WEBHOOK_URL: httpUrl.optional(),
  /** PEM on P-256, line ends as `\n` allowed; several one after the other while the key changes. Without it notifications are refused. */
  OPEN_BANKING_WEBHOOK_PUBLIC_KEY: pem.optional(),
  /** How notifications write their signature: `der` as Java makes it, or `raw`, r and s side by side. */
  OPEN_BANKING_WEBHOOK_SIGNATURE_FORM: z.enum(["der", "raw"]).default("der"),
};

/** They, as read. */
export type MastercardSettings = Readonly<z.infer<z.ZodObject<typeof mastercardSettings>>>;
