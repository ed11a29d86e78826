import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type {
  Credential,
  NotificationEvent,
  NotificationSubscriptionSchema,
} from "../../../gen/es/paymesh/credential/v1/credential_pb.js";
import { DomainError } from "../../platform/errors/domain-error.ts";
import type { Handlers } from "../../platform/rpc/service-implementation.ts";
import type {
  NotificationSubscription,
  SubscriptionContents,
  WantedNotification,
} from "../connectors/notification-connector.ts";
import {
  endSubscription,
  findSubscription,
  listSubscriptions,
  replaceSubscription,
  subscribe,
} from "../flows/notification-subscriptions.ts";
import type { HandlerParts } from "./connection-handlers.ts";
import { callerOf } from "./request-parts.ts";

const connector = "mastercard";
const eventsMax = 20;
const valuesMax = 1_000;
const urlLengthMax = 2_048;
const conditionFields: readonly string[] = ["institutionId", "customerId", "accountId"];

type NotificationMethods =
  | "createNotificationSubscription"
  | "listNotificationSubscriptions"
  | "getNotificationSubscription"
  | "putNotificationSubscription"
  | "deleteNotificationSubscription";

/** What operators do about Mastercard's notifications. */
export function notificationHandlers({ deps }: HandlerParts): Pick<Handlers<typeof Credential>, NotificationMethods> {
  return {
    createNotificationSubscription: async (request, ctx) => {
      const made = await subscribe(deps, { connector, contents: contentsOf(request) }, callerOf(ctx));
      ctx.setHttpStatus(201);
      return subscriptionMessage(made);
    },
    listNotificationSubscriptions: async (_request, ctx) => {
      const { total, subscriptions } = await listSubscriptions(deps, connector, callerOf(ctx));
      return { total, subscriptions: subscriptions.map(subscriptionMessage) };
    },
    getNotificationSubscription: async ({ subscriptionId }, ctx) =>
      subscriptionMessage(await findSubscription(deps, { connector, subscriptionId }, callerOf(ctx))),
    putNotificationSubscription: async ({ subscriptionId, status, ...request }, ctx) => {
      const command = { connector, subscriptionId, contents: contentsOf(request), status: statusOf(status) };
      return subscriptionMessage(await replaceSubscription(deps, command, callerOf(ctx)));
    },
    deleteNotificationSubscription: async ({ subscriptionId }, ctx) => {
      await endSubscription(deps, { connector, subscriptionId }, callerOf(ctx));
      ctx.setHttpStatus(204);
      return {};
    },
  };
}

function contentsOf({ url, events }: { url: string; events: readonly NotificationEvent[] }): SubscriptionContents {
  if (events.length > eventsMax) refuse(`events has at most ${eventsMax} entries`);
  return { url: urlOf(url), events: events.map(wantedOf) };
}

function wantedOf({ name, url, condition }: NotificationEvent): WantedNotification {
  if (condition === undefined) return { name, url: urlOf(url) };
  const { subscribeFor, includes, excludes } = condition;
  if (!conditionFields.includes(subscribeFor)) refuse(`subscribeFor must be one of ${conditionFields.join(", ")}`);
  const values = [...includes, ...excludes];
  if (includes.length > valuesMax || excludes.length > valuesMax || !values.every((each) => /^\d{1,19}$/.test(each))) {
    refuse(`includes and excludes hold at most ${valuesMax} ids each`);
  }
  const some = (ids: readonly string[]) => (ids.length === 0 ? undefined : ids);
  return { name, url: urlOf(url), condition: { subscribeFor, includes: some(includes), excludes: some(excludes) } };
}

function urlOf(text: string): string | undefined {
  if (text.length > urlLengthMax) refuse(`url has at most ${urlLengthMax} characters`);
  return text === "" ? undefined : text;
}

function statusOf(text: string): "active" | "inactive" | undefined {
  if (text === "") return undefined;
  if (text === "active" || text === "inactive") return text;
  return refuse("status must be active or inactive");
}

function refuse(why: string): never {
  throw new DomainError("INVALID_ARGUMENT", { why });
}

function subscriptionMessage(told: NotificationSubscription): MessageInitShape<typeof NotificationSubscriptionSchema> {
  const { subscriptionId, status, createdAt, updatedAt } = told;
  return {
    subscriptionId,
    url: told.url ?? "",
    status,
    events: told.events.map(({ eventId, name, url, status: own, condition }) => ({
      eventId,
      name,
      url: url ?? "",
      status: own,
      ...(condition === undefined
        ? {}
        : {
            condition: {
              subscribeFor: condition.subscribeFor,
              includes: [...(condition.includes ?? [])],
              excludes: [...(condition.excludes ?? [])],
            },
          }),
    })),
    createdAt: timestampFromDate(createdAt),
    updatedAt: timestampFromDate(updatedAt),
  };
}
