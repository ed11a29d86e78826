import { z } from "zod";
import { commonSignatures, secondsSetting, sharedSettings } from "../../kit/domain/settings.ts";

/** How webhooks are signed: truly, or wrong in one of the ways a receiver must refuse. */
export const signatureMode = z.enum([...commonSignatures, "wrong_algorithm"]);

/** One of {@link signatureMode}. */
export type SignatureMode = z.infer<typeof signatureMode>;

const yearSeconds = 365 * 86_400;

/** What the control API may change about the whole sandbox. Lifetimes in seconds. */
export const settingsShape = z.object({
  ...sharedSettings(30_000),
  linkTokenSeconds: secondsSetting(4 * 3600, yearSeconds),
  updateLinkTokenSeconds: secondsSetting(1800, yearSeconds),
  publicTokenSeconds: secondsSetting(1800, yearSeconds),
  /** Of the institutions whose consents end. */
  consentSeconds: secondsSetting(yearSeconds),
  webhookSignature: signatureMode.default("valid"),
});

/** Settings in force. */
export type Settings = z.infer<typeof settingsShape>;
