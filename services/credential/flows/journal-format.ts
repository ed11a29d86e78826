import { z } from "zod";
import type { TokenSet } from "../connectors/connector.ts";

const time = z.iso.datetime().transform((text) => new Date(text));
const answerShape = z.object({
  accessToken: z.string(),
  accessTokenExpiresAt: time.optional(),
  refreshToken: z.string().optional(),
  credential: z.string().optional(),
  credentialExpiresAt: time.optional(),
  consentExpiresAt: time.optional(),
});

/** A bank's answer as text for the journal, to be sealed at once. */
export function formatAnswer(answer: TokenSet): string {
  return JSON.stringify(answer);
}

/** Reads what `formatAnswer` wrote. */
export function parseAnswerText(text: string): TokenSet {
  const parsed = answerShape.parse(JSON.parse(text));
  return {
    accessToken: parsed.accessToken,
    accessTokenExpiresAt: parsed.accessTokenExpiresAt,
    refreshToken: parsed.refreshToken,
    credential: parsed.credential,
    credentialExpiresAt: parsed.credentialExpiresAt,
    consentExpiresAt: parsed.consentExpiresAt,
  };
}
