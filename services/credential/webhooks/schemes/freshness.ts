import type { RawWebhook } from "../../connectors/webhook-reader.ts";
import { refused } from "./scheme.ts";

/** How far the signed time of a webhook may be from ours, before or after. Beyond it a recorded one could be sent again. */
export const toleranceMs = 5 * 60_000;

/** Throws `WebhookRefused` for a time that is none (`timestamp_missing`) or too far from the webhook's arrival (`stale`). */
export function assertFresh(signedAt: Date | undefined, request: RawWebhook, withinMs: number = toleranceMs): void {
  if (signedAt === undefined || Number.isNaN(signedAt.getTime())) throw refused("timestamp_missing");
  if (Math.abs(request.receivedAt.getTime() - signedAt.getTime()) > withinMs) throw refused("stale");
}

/** A time written as ISO 8601, or as seconds or milliseconds since 1970; undefined for anything else. */
export function parseSignedTime(text: string): Date | undefined {
  if (/^\d{9,10}$/.test(text)) return new Date(Number(text) * 1000);
  if (/^\d{12,13}$/.test(text)) return new Date(Number(text));
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/.test(text)) return undefined;
  const time = new Date(text);
  return Number.isNaN(time.getTime()) ? undefined : time;
}
