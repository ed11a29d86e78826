import { z } from "zod";

/** Ways to sign a webhook that every sandbox knows: truly, or wrong as a receiver must refuse. */
export const commonSignatures = ["valid", "wrong_key", "wrong_body", "stale", "missing"] as const;

/**
 * Settings every sandbox has, to be spread into a `z.object` of its own.
 * @param firstPauseMs before a webhook goes again the first time, where the operator says nothing
 */
export function sharedSettings(firstPauseMs: number) {
  return {
    /** Added to the sandbox's clock: what it issues, when things end, what webhooks say. */
    clockSkewSeconds: z.number().int().min(-315_360_000).max(315_360_000).default(0),
    webhookFirstPauseMs: z.number().int().min(1).max(3_600_000).default(firstPauseMs),
  };
}

/** A whole number of seconds from 1 to `max`. */
export function secondsSetting(otherwise: number, max = 315_360_000) {
  return z.number().int().min(1).max(max).default(otherwise);
}
