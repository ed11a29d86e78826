import { z } from "zod";

/** How webhooks are signed: truly, or wrong in one of the ways a receiver must refuse. */
export const signatureMode = z.enum(["valid", "wrong_key", "wrong_body", "stale", "missing", "wrong_algorithm"]);

/** One of {@link signatureMode}. */
export type SignatureMode = z.infer<typeof signatureMode>;

/** What the control API may change about the whole sandbox. Lifetimes in seconds. */
export const settingsShape = z.object({
  linkTokenSeconds: z
    .number()
    .int()
    .min(1)
    .max(31_536_000)
    .default(4 * 3600),
  updateLinkTokenSeconds: z.number().int().min(1).max(31_536_000).default(1800),
  publicTokenSeconds: z.number().int().min(1).max(31_536_000).default(1800),
  /** Of the institutions whose consents end. */
  consentSeconds: z
    .number()
    .int()
    .min(1)
    .max(315_360_000)
    .default(365 * 86_400),
  /** Added to the time webhooks are signed with. */
  clockSkewSeconds: z.number().int().min(-86_400).max(86_400).default(0),
  webhookSignature: signatureMode.default("valid"),
});

/** Settings in force. */
export type Settings = z.infer<typeof settingsShape>;
