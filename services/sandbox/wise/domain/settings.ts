import { z } from "zod";
import { commonSignatures, secondsSetting, sharedSettings } from "../../kit/domain/settings.ts";

const daySeconds = 86_400;
const yearSeconds = 365 * daySeconds;

/** Signed truly, or wrong in one of the ways a receiver must refuse. */
export const signatureMode = z.enum(commonSignatures);

/** One of {@link signatureMode}. */
export type SignatureMode = z.infer<typeof signatureMode>;

/** What the control API may change about the whole sandbox. */
export const settingsShape = z.object({
  ...sharedSettings(60_000),
  /** Twelve hours less the second it takes to answer, as Wise says it. */
  accessTokenSeconds: secondsSetting(43_199),
  refreshTokenSeconds: secondsSetting(20 * yearSeconds, 40 * yearSeconds),
  codeSeconds: secondsSetting(600, daySeconds),
  pageSeconds: secondsSetting(1_800, daySeconds),
  /** Whether a refresh gives a new refresh token and ends the old one. Wise does not say; what works with one that rotates works with both. */
  refreshRotates: z.boolean().default(true),
  /** Who needs a strong authentication for statements: those whom the law asks for it, everybody, or nobody. */
  strongAuthentication: z.enum(["by_country", "always", "never"]).default("by_country"),
  /** How long statements are shown after one. */
  authenticatedSeconds: secondsSetting(90 * daySeconds),
  approvalSeconds: secondsSetting(300, daySeconds),
  webhookSignature: signatureMode.default("valid"),
});

/** Settings in force. */
export type Settings = z.infer<typeof settingsShape>;
