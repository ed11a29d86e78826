import { z } from "zod";

/** How a webhook proves where it comes from: TrueLayer's own signature, a shared secret, or (completed tasks) nothing. */
export const webhookMode = z.enum(["tl_signature", "hmac", "unsigned"]);

/** One of {@link webhookMode}. */
export type WebhookMode = z.infer<typeof webhookMode>;

/** Signed truly, or wrong in one of the ways a receiver must refuse. */
export const signatureMode = z.enum([
  "valid",
  "wrong_key",
  "wrong_body",
  "stale",
  "missing",
  "foreign_jku",
  "unsigned_timestamp",
]);

/** One of {@link signatureMode}. */
export type SignatureMode = z.infer<typeof signatureMode>;

const webhookUrl = z.url({ protocol: /^https?$/ }).max(1_000);

/** What the control API may change about the whole sandbox. */
export const settingsShape = z.object({
  accessTokenSeconds: z.number().int().min(1).max(31_536_000).default(3_600),
  codeSeconds: z.number().int().min(1).max(86_400).default(300),
  linkSeconds: z.number().int().min(1).max(86_400).default(1_800),
  consentSeconds: z
    .number()
    .int()
    .min(1)
    .max(315_360_000)
    .default(90 * 86_400),
  /** How long after signing in a strict bank shows old transactions. */
  scaSeconds: z.number().int().min(1).max(31_536_000).default(3_600),
  /** Added to the sandbox's clock: what it issues, when things end, what webhooks say. */
  clockSkewSeconds: z.number().int().min(-315_360_000).max(315_360_000).default(0),
  /** How long an asynchronous call is queued, and then runs. */
  asyncDelayMs: z.number().int().min(0).max(600_000).default(500),
  /** What extending a connection asks for: as each bank does, or always the same. */
  extension: z.enum(["by_bank", "no_action_needed", "authentication_needed"]).default("by_bank"),
  /** Where events go; the address of the configuration when null. */
  webhookUrl: webhookUrl.nullable().default(null),
  /** The mode of the configuration when null. */
  webhookMode: webhookMode.exclude(["unsigned"]).nullable().default(null),
  webhookSignature: signatureMode.default("valid"),
  /** The pause before the second attempt; each further one is twice as long, up to fifteen minutes. */
  webhookFirstPauseMs: z.number().int().min(10).max(900_000).default(1_000),
});

/** Settings in force. */
export type Settings = z.infer<typeof settingsShape>;
