import { z } from "zod";
import { commonSignatures, secondsSetting, sharedSettings } from "../../kit/domain/settings.ts";

/** How webhooks are signed: truly, or wrong in one of the ways a receiver must refuse. */
export const signatureMode = z.enum(commonSignatures);

/** One of {@link signatureMode}. */
export type SignatureMode = z.infer<typeof signatureMode>;

const tokensMax = 100_000;
const pageMax = 500;
const yearSeconds = 365 * 86_400;

/** What the control API may change about the whole sandbox. Lifetimes in seconds. */
export const settingsShape = z.object({
  ...sharedSettings(5_000),
  accessTokenSeconds: secondsSetting(3_600),
  authLinkSeconds: secondsSetting(3 * 86_400),
  consentSeconds: secondsSetting(yearSeconds),
  /** Calls of `/token` beyond these are refused. */
  tokensPerMinuteMax: z.number().int().min(1).max(tokensMax).default(60),
  /** Whether a link needs a mobile number, of the user or its own, for the code sent to it. */
  authLinkMobile: z.enum(["optional", "required"]).default("optional"),
  /** Transactions a page holds at most. */
  pageSizeMax: z.number().int().min(1).max(pageMax).default(pageMax),
  /** How paging misbehaves: the next page is the same again, shows some twice, or lies on another host. */
  paging: z.enum(["true", "loop", "duplicates", "elsewhere"]).default("true"),
  webhookSignature: signatureMode.default("valid"),
});

/** Settings in force. */
export type Settings = z.infer<typeof settingsShape>;
