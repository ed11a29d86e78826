import { timingSafeEqual } from "node:crypto";
import { hmac } from "../../../platform/secrets/keyed-hash.ts";
import { type BodyClock, checkBodyClock } from "./body-clock.ts";
import { headerOf, refused, type WebhookScheme } from "./scheme.ts";

/** Options of `createHmacScheme`. */
export interface HmacSchemeOptions {
  /** Lower case. */
  readonly header: string;
  /** Any of these is taken, so that a secret can be changed without a gap. Not empty. */
  readonly secrets: readonly string[];
  readonly clock?: BodyClock | undefined;
}

/** HMAC-SHA256 of the raw body in hex, with or without `sha256=` before it: TrueLayer by agreement, Finicity Connect. */
export function createHmacScheme(options: HmacSchemeOptions): WebhookScheme {
  const { header, secrets, clock } = options;
  if (secrets.length === 0 || secrets.includes("")) throw new RangeError("an HMAC scheme needs a secret");
  return async (request) => {
    const match = /^(?:sha256=)?([0-9a-fA-F]{64})$/.exec(headerOf(request, header));
    if (match?.[1] === undefined) throw refused("signature_malformed");
    const given = Buffer.from(match[1], "hex");
    // Every secret is tried, whichever fits: the time taken tells nothing.
    const fits = secrets.map((secret) => timingSafeEqual(hmac(secret).update(request.body).digest(), given));
    if (!fits.includes(true)) throw refused("signature_wrong");
    checkBodyClock(clock, request);
  };
}
