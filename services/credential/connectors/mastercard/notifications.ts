import { z } from "zod";
import type {
  NotificationCondition,
  NotificationConnector,
  NotificationSubscription,
  SubscriptionContents,
  WantedNotification,
} from "../notification-connector.ts";
import { ProviderError } from "../provider-error.ts";
import type { MastercardApi } from "./mastercard-api.ts";

const base = "/notification-subscriptions/webhooks";
const listMax = 100;

/** The kinds of notifications `webhook.ts` acts on. */
export const notificationKinds = Object.freeze([
  "authorization.accesstoken.expiry",
  "manage.txpush.account.created",
  "mastercard.openbanking.customer.consent",
]);

const word = z.string().min(1).max(255);
const url = z.string().min(1).max(2_048).nullish();
const time = z.iso.datetime({ offset: true }).transform((text) => new Date(text));
const values = z.array(z.string().max(64)).max(1_000).nullish();
const conditionShape = z.looseObject({ subscribeFor: word, includes: values, excludes: values });
const subscriptionShape = z.looseObject({
  subscriptionId: z.uuid(),
  url,
  status: word,
  events: z
    .array(
      z.looseObject({ webhookEventId: z.uuid(), name: word, url, status: word, condition: conditionShape.nullish() }),
    )
    .max(100),
  createdDate: time,
  lastUpdatedDate: time,
});
const listShape = z.looseObject({
  total: z.number().int().min(0).max(2_147_483_647),
  subscriptions: z.array(subscriptionShape).max(listMax),
});

/** Subscriptions to the younger generation of Mastercard's webhooks. `ownUrl` is where this installation takes them. */
export function createMastercardNotifications(api: MastercardApi, ownUrl: string | undefined): NotificationConnector {
  return {
    kinds: notificationKinds,
    hasOwnUrl: ownUrl !== undefined,
    subscribe: async (contents, call) =>
      toSubscription(await api.post(base, bodyOf(contents, ownUrl), subscriptionShape, call)),
    list: async (call) => {
      const { total, subscriptions } = await api.get(`${base}?limit=${listMax}`, listShape, call);
      return { total, subscriptions: subscriptions.map(toSubscription) };
    },
    find: async (id, call) => toSubscription(await api.get(pathOf(id), subscriptionShape, call)),
    replace: async (id, contents, call) => {
      await api.put(pathOf(id), bodyOf(contents, ownUrl), z.unknown(), call);
    },
    setStatus: async (id, status, call) => {
      await api.put(`${pathOf(id)}/status`, { status }, z.unknown(), call);
    },
    remove: (id, call) => api.delete(pathOf(id), call),
  };
}

/** Their ids are UUIDs: any other text is nothing's, and must not become another path. */
function pathOf(subscriptionId: string): string {
  if (!z.uuid().safeParse(subscriptionId).success) throw new ProviderError("not_found");
  return `${base}/${subscriptionId}`;
}

function bodyOf({ url: given, events }: SubscriptionContents, ownUrl: string | undefined): object {
  const target = given ?? ownUrl;
  const wanted: readonly WantedNotification[] =
    events.length > 0 ? events : notificationKinds.map((name) => ({ name }));
  return { ...(target === undefined ? {} : { url: target }), events: wanted };
}

function toSubscription(told: z.infer<typeof subscriptionShape>): NotificationSubscription {
  return {
    subscriptionId: told.subscriptionId,
    url: told.url ?? undefined,
    status: told.status,
    events: told.events.map(({ webhookEventId, name, url: own, status, condition }) => ({
      eventId: webhookEventId,
      name,
      url: own ?? undefined,
      status,
      condition: conditionOf(condition),
    })),
    createdAt: told.createdDate,
    updatedAt: told.lastUpdatedDate,
  };
}

function conditionOf(told: z.infer<typeof conditionShape> | null | undefined): NotificationCondition | undefined {
  if (told === null || told === undefined) return undefined;
  const { subscribeFor, includes, excludes } = told;
  return { subscribeFor, includes: includes ?? undefined, excludes: excludes ?? undefined };
}
