import { randomUUID } from "node:crypto";
import type { Clock } from "../../platform/time/clock.ts";
import type { ReadMoment } from "../kit/sandbox-clock.ts";
import type { DeliveryStore } from "../kit/storage/delivery-store.ts";
import { eventBody, eventData, type Happening } from "./domain/event-body.ts";
import type { Settings, SignatureMode } from "./domain/settings.ts";
import type { Subscription, SubscriptionStore } from "./storage/subscription-store.ts";

// Beyond every retry of Wise's, and so no webhook of now.
const staleMs = 30 * 86_400_000;
const version = "2.0.0";
/** Marks a delivery as a test notification; see `webhook-signing.ts`. */
export const testScheme = "test";

/** Departures from the settings, for one event. */
export interface EventRoute {
  /** To this address alone, whoever subscribed. */
  readonly url?: string | undefined;
  readonly signature?: SignatureMode | undefined;
  readonly skewSeconds?: number | undefined;
}

/** Puts webhooks on their way. */
export interface Events {
  /** Tells everybody who subscribed; how many that are. */
  send(happening: Happening, route?: EventRoute): Promise<number>;
  /** A notification without meaning, for a subscription that is being set up. */
  sendTest(subscription: Subscription, happening: Happening): Promise<void>;
}

/** Makes the sender's front; the sender itself is a job. `clock` is the true one: schedules know no skew. */
export function createEvents(deps: {
  readonly deliveries: DeliveryStore;
  readonly subscriptions: SubscriptionStore;
  readonly moment: ReadMoment<Settings>;
  readonly clock: Clock;
  /** Of the subscription set up by hand; null when there is none. */
  readonly standingUrl: string | null;
}): Events {
  const standing = { subscriptionId: randomUUID(), version };
  const add = async (
    happening: Happening,
    to: { readonly subscriptionId: string; readonly version: string; readonly url: string },
    route: EventRoute & { readonly scheme?: string },
  ) => {
    const { settings, now } = await deps.moment();
    const isStale = (route.signature ?? settings.webhookSignature) === "stale";
    const sentAt = new Date(now.getTime() + (route.skewSeconds ?? 0) * 1_000 - (isStale ? staleMs : 0));
    const delivery = {
      subject: String(happening.profileId),
      eventId: `${happening.type}/${happening.balanceId}/${happening.transferId}/${happening.occurredAt.getTime()}`,
      eventType: happening.type,
      url: to.url,
      scheme: route.scheme,
      signature: route.signature,
      body: eventBody({ type: happening.type, data: eventData(happening), ...to, sentAt }),
    };
    await deps.deliveries.add(delivery, deps.clock.now());
  };
  return {
    async send(happening, route = {}) {
      const { type, profileId } = happening;
      const subscribed = await deps.subscriptions.listFor({ type, profileId: String(profileId) });
      const standingUrl = route.url ?? deps.standingUrl;
      const addresses = standingUrl === null ? [] : [{ ...standing, url: standingUrl }];
      const all = route.url === undefined ? [...addresses, ...subscribed] : addresses;
      for (const to of all) await add(happening, to, route);
      return all.length;
    },
    sendTest: (subscription, happening) => add(happening, subscription, { scheme: testScheme }),
  };
}
