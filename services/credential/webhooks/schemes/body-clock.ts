import type { RawWebhook } from "../../connectors/webhook-reader.ts";
import { assertFresh } from "./freshness.ts";

/** Where schemes that sign nothing but the body find the time: in the body, which is read only once it is proved. */
export interface BodyClock {
  /** When the provider sent it; undefined makes the webhook refused. */
  signedAt(body: Buffer): Date | undefined;
  /** How old it may be; providers that send the same body again for days need more than the usual five minutes. */
  readonly withinMs: number;
}

/** Refuses a proved webhook whose body tells a time too far away. Without a clock every age is taken. */
export function checkBodyClock(clock: BodyClock | undefined, request: RawWebhook): void {
  if (clock !== undefined) assertFresh(clock.signedAt(request.body), request, clock.withinMs);
}
