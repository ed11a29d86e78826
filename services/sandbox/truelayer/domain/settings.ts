import { z } from "zod";
import { commonSignatures, secondsSetting, sharedSettings } from "../../kit/domain/settings.ts";

/** How a webhook proves where it comes from: TrueLayer's own signature, a shared secret, or (completed tasks) nothing. */
export const webhookMode = z.enum(["tl_signature", "hmac", "unsigned"]);

/** One of {@link webhookMode}. */
export type WebhookMode = z.infer<typeof webhookMode>;

/** Signed truly, or wrong in one of the ways a receiver must refuse. */
export const signatureMode = z.enum([...commonSignatures, "foreign_jku", "unsigned_timestamp"]);

/** One of {@link signatureMode}. */
export type SignatureMode = z.infer<typeof signatureMode>;

const daySeconds = 86_400;
const webhookUrl = z.url({ protocol: /^https?$/ }).max(1_000);

/** What the control API may change about the whole sandbox. */
export const settingsShape = z.object({
  ...sharedSettings(1_000),
  accessTokenSeconds: secondsSetting(3_600),
  codeSeconds: secondsSetting(300, daySeconds),
  linkSeconds: secondsSetting(1_800, daySeconds),
  consentSeconds: secondsSetting(90 * daySeconds),
  /** How long after signing in a strict bank shows old transactions. */
  scaSeconds: secondsSetting(3_600),
  /** How long an asynchronous call is queued, and then runs. */
  asyncDelayMs: z.number().int().min(0).max(600_000).default(500),
  /** What extending a connection asks for: as each bank does, or always the same. */
  extension: z.enum(["by_bank", "no_action_needed", "authentication_needed"]).default("by_bank"),
  /** Where events go; the address of the configuration when null. */
  webhookUrl: webhookUrl.nullable().default(null),
  /** The mode of the configuration when null. */
  webhookMode: webhookMode.exclude(["unsigned"]).nullable().default(null),
  webhookSignature: signatureMode.default("valid"),
});

/** Settings in force. */
export type Settings = z.infer<typeof settingsShape>;
