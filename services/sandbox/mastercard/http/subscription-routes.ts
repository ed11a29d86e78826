import { randomUUID } from "node:crypto";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { z } from "zod";
import { isUuid } from "../../../platform/ids/uuidv7.ts";
import { optional, queryOf } from "../../kit/http/request-fields.ts";
import { finicityError } from "../domain/finicity-error.ts";
import { notificationEvents, type SubscribedEvent, type Subscription } from "../domain/subscription.ts";
import type { SubscriptionContents } from "../storage/subscription-store.ts";
import type { ApiDeps } from "./api-deps.ts";
import { readRequest } from "./read-request.ts";

type OfSubscription = FastifyRequest<{ Params: { id: string } }>;
type OfEvent = FastifyRequest<{ Params: { id: string; eventId: string } }>;

const base = "/notification-subscriptions/webhooks";
const eventsMax = 20;
const listMax = 100;
const names = notificationEvents.map((each) => each.name);
const url = z.url({ protocol: /^https?$/ }).max(2_048);
const values = optional(z.array(z.string().min(1).max(64)).max(1_000));
const event = z.object({
  name: z.enum(names),
  url: optional(url),
  condition: optional(
    z.object({
      subscribeFor: z.enum(["institutionId", "customerId", "accountId"]),
      includes: values,
      excludes: values,
    }),
  ),
});
const subscription = z.object({ url: optional(url), events: z.array(event).min(1).max(eventsMax) });
const status = z.object({ status: z.enum(["active", "inactive"]) });

/** Subscriptions to notifications, the younger of the provider's two kinds of webhooks. */
export function addSubscriptionRoutes(scope: FastifyInstance, deps: ApiDeps): void {
  const { subscriptions } = deps;
  scope.get(`${base}/events`, async () => ({ events: notificationEvents }));
  scope.post(base, async (request, reply) => {
    const { now } = await deps.moment();
    const made = await subscriptions.add(contentsOf(request.body), now);
    return reply.code(201).send(subscriptionJson(made, "pending"));
  });
  scope.get(base, async (request) => {
    const query = queryOf(request.query);
    const [offset, limit] = [wholeNumber(query["offset"], 1), Math.min(wholeNumber(query["limit"], 10), listMax)];
    const { total, subscriptions: found } = await subscriptions.list({ offset: offset - 1, limit });
    return { count: found.length, offset, limit, total, subscriptions: found.map((each) => subscriptionJson(each)) };
  });
  scope.get(`${base}/:id`, async (request: OfSubscription) => {
    return subscriptionJson(known(await subscriptions.find(idIn(request))));
  });
  scope.put(`${base}/:id`, async (request: OfSubscription) => {
    const { now } = await deps.moment();
    return subscriptionJson(known(await subscriptions.replace(idIn(request), contentsOf(request.body), now)));
  });
  scope.put(`${base}/:id/status`, async (request: OfSubscription) => {
    const wanted = readRequest(status, request.body).status;
    const { now } = await deps.moment();
    if (!(await subscriptions.setStatus(idIn(request), wanted, now))) throw finicityError("14001");
    return { status: wanted };
  });
  scope.delete(`${base}/:id`, async (request: OfSubscription, reply) => {
    if (!(await subscriptions.remove(idIn(request)))) throw finicityError("14001");
    return reply.code(204).send();
  });
  addEventRoutes(scope, deps);
}

/** The events of a subscription, one by one. */
function addEventRoutes(scope: FastifyInstance, deps: ApiDeps): void {
  const path = `${base}/:id/events/:eventId`;
  scope.put(path, async (request: OfEvent) => {
    const given = readRequest(event, request.body);
    const {
      webhookEventId: _id,
      status: _status,
      ...changed
    } = await changeEvent(deps, request, (before) => ({
      ...given,
      webhookEventId: before.webhookEventId,
      status: before.status,
    }));
    return changed;
  });
  scope.put(`${path}/status`, async (request: OfEvent) => {
    const wanted = readRequest(status, request.body).status;
    await changeEvent(deps, request, (before) => ({ ...before, status: wanted }));
    return { status: wanted };
  });
  scope.delete(path, async (request: OfEvent, reply) => {
    await changeEvent(deps, request, () => undefined);
    return reply.code(204).send();
  });
}

/** Puts what `change` makes of an event in its place, nothing for undefined. Resolves to the event as it was last. */
async function changeEvent(
  deps: ApiDeps,
  request: OfEvent,
  change: (event: SubscribedEvent) => SubscribedEvent | undefined,
): Promise<SubscribedEvent> {
  const { now } = await deps.moment();
  let found: SubscribedEvent | undefined;
  await deps.subscriptions.changeEvents(
    idIn(request),
    (events) =>
      events.flatMap((each) => {
        if (each.webhookEventId !== request.params.eventId) return [each];
        const changed = change(each);
        found = changed ?? each;
        return changed === undefined ? [] : [changed];
      }),
    now,
  );
  if (found === undefined) throw finicityError("14001");
  return found;
}

function contentsOf(body: unknown): SubscriptionContents {
  const given = readRequest(subscription, body);
  if (given.url === undefined && given.events.some((each) => each.url === undefined)) throw finicityError("14020");
  return {
    url: given.url ?? null,
    events: given.events.map((each) => ({ webhookEventId: randomUUID(), ...each })),
  };
}

function subscriptionJson(subscription: Subscription, status: string = subscription.status) {
  return {
    subscriptionId: subscription.subscriptionId,
    ...(subscription.url !== null && { url: subscription.url }),
    events: subscription.events.map((each) => ({ ...each, status: each.status ?? status })),
    status,
    createdDate: subscription.createdAt.toISOString(),
    lastUpdatedDate: subscription.updatedAt.toISOString(),
  };
}

function idIn(request: OfSubscription): string {
  if (!isUuid(request.params.id)) throw finicityError("14001");
  return request.params.id;
}

function known(subscription: Subscription | undefined): Subscription {
  if (subscription === undefined) throw finicityError("14001");
  return subscription;
}

function wholeNumber(text: string | undefined, otherwise: number): number {
  if (text === undefined) return otherwise;
  if (!/^[1-9]\d{0,5}$/.test(text)) throw finicityError("14020");
  return Number.parseInt(text, 10);
}
