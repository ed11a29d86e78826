import type { WebhookEffectKind } from "../connectors/webhook-reader.ts";

/** Tries of one event before it is given up as a dead letter. */
export const attemptsMax = 10;

/** How long an event of a connection nobody knows is kept trying: it may have overtaken the consent it belongs to. */
export const unknownForMs = 15 * 60_000;

const firstPauseMs = 5_000;
const pauseMaxMs = 3_600_000;
const unknownPauseMs = { min: 1_000, max: 60_000 };

/**
 * What kinds of effect are to each other. `standing`: says how the connection is, so an older one must not override a newer one's.
 * `errand`: has the provider asked for data, so one serves all that wait. `neither`: stands for itself.
 */
const natureOf: Readonly<Record<WebhookEffectKind, "standing" | "errand" | "neither">> = {
  consent_revoked: "standing",
  reauthorize: "standing",
  expiring: "standing",
  healed: "standing",
  sync_transactions: "errand",
  sync_accounts: "errand",
  refresh_balances: "errand",
  progress: "neither",
  ignore: "neither",
  fetch: "neither",
};

/** The kinds of which only the newest counts. */
export const standingKinds: readonly WebhookEffectKind[] = kindsOf("standing");

/** Whether an older event of this kind must give way to a newer one. */
export function isStanding(kind: WebhookEffectKind): boolean {
  return natureOf[kind] === "standing";
}

/** Whether one event of this kind does what others that wait would do again. */
export function isErrand(kind: WebhookEffectKind): boolean {
  return natureOf[kind] === "errand";
}

/** Whether a stored word is a kind of effect. */
export function isEffectKind(word: string): word is WebhookEffectKind {
  return Object.hasOwn(natureOf, word);
}

/** When an event is tried again after so many attempts: 5 s, 20 s, 80 s, up to an hour. */
export function retryAfterMs(attempts: number): number {
  return Math.min(pauseMaxMs, firstPauseMs * 4 ** Math.max(0, attempts - 1));
}

/** When an event whose connection is not known yet is tried again: after as long as it has waited, a second to a minute. */
export function lookAgainAfterMs(waitedMs: number): number {
  return Math.min(unknownPauseMs.max, Math.max(unknownPauseMs.min, waitedMs));
}

function kindsOf(nature: "standing"): WebhookEffectKind[] {
  return Object.keys(natureOf)
    .filter(isEffectKind)
    .filter((kind) => natureOf[kind] === nature);
}
