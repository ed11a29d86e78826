import { randomUUID } from "node:crypto";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { z } from "zod";
import { queryOf } from "../../kit/http/request-fields.ts";
import { basiqError } from "../domain/basiq-error.ts";
import { webhookEvents } from "../domain/events.ts";
import { fulfils, parseFilter } from "../domain/filter.ts";
import { timeText } from "../domain/views.ts";
import type { Endpoint, StoredEvent } from "../storage/event-store.ts";
import { newWebhookSecret } from "../webhook-signing.ts";
import { type ApiDeps, instantOf } from "./api-deps.ts";
import { listOf } from "./lists.ts";

type EventRequest = FastifyRequest<{ Params: { eventId: string } }>;
type WebhookRequest = FastifyRequest<{ Params: { webhookId: string } }>;

const endpointShape = z.object({
  name: z.string().max(100).default(""),
  description: z.string().max(500).default(""),
  url: z.url({ protocol: /^https?$/ }).max(2_048),
  subscribedEvents: z.array(z.enum(webhookEvents)).min(1).max(50),
});

/** Events, which webhooks only point at, and who is to get webhooks. */
export function addEventRoutes(api: FastifyInstance, deps: ApiDeps): void {
  api.get("/events", async (request) => {
    await deps.access.require(request, {});
    const filter = parseFilter(queryOf(request.query)["filter"], ["user.id", "event.entity", "event.type"]);
    const user = filter.find((each) => each.property === "user.id" && each.operator === "eq");
    const events = (await deps.events.list(user?.values[0])).filter(
      (each) =>
        fulfils(filter, "user.id", each.userId) &&
        fulfils(filter, "event.entity", each.entity) &&
        fulfils(filter, "event.type", each.eventType),
    );
    return listOf(
      `${deps.origin}/events`,
      events.map((each) => eventView(deps.origin, each)),
    );
  });
  api.get("/events/types", async (request) => {
    await deps.access.require(request, {});
    return listOf(
      `${deps.origin}/events/types`,
      webhookEvents.map((id) => ({ type: "eventType", id })),
    );
  });
  api.get("/events/:eventId", async (request: EventRequest) => {
    await deps.access.require(request, {});
    const event = await deps.events.find(request.params.eventId);
    if (event === undefined) throw basiqError("resource-not-found");
    return eventView(deps.origin, event);
  });
  addEndpointRoutes(api, deps);
}

function addEndpointRoutes(api: FastifyInstance, deps: ApiDeps): void {
  api.post("/notifications/webhooks", async (request, reply) => {
    await deps.access.require(request, {});
    const read = endpointShape.safeParse(request.body ?? {});
    if (!read.success) throw basiqError("invalid-content");
    const secret = newWebhookSecret();
    const webhookId = randomUUID();
    const sealedSecret = deps.access.seal(secret, webhookId);
    const endpoint: Endpoint = { ...read.data, webhookId, status: "active", sealedSecret };
    const { now } = await instantOf(deps);
    if (!(await deps.events.addEndpoint(endpoint, now))) throw basiqError("resource-already-exists");
    return reply.code(201).send({ ...endpointView(deps.origin, endpoint), secret });
  });
  api.get("/notifications/webhooks", async (request) => {
    await deps.access.require(request, {});
    const views = (await deps.events.listEndpoints()).map((each) => endpointView(deps.origin, each));
    return listOf(`${deps.origin}/notifications/webhooks`, views);
  });
  api.delete("/notifications/webhooks/:webhookId", async (request: WebhookRequest, reply) => {
    await deps.access.require(request, {});
    if (!(await deps.events.deleteEndpoint(request.params.webhookId))) throw basiqError("resource-not-found");
    return reply.code(204).send();
  });
}

function eventView(origin: string, event: StoredEvent) {
  return {
    type: "event",
    id: event.eventId,
    createdDate: timeText(event.createdAt),
    entity: event.entity,
    eventType: event.eventType,
    userId: event.userId,
    dataRef: origin + event.path,
    data: event.data,
    links: { self: `${origin}/events/${event.eventId}` },
  };
}

function endpointView(origin: string, endpoint: Endpoint) {
  const { webhookId: id, name, description, url, status, subscribedEvents } = endpoint;
  const links = { self: `${origin}/notifications/webhooks/${id}` };
  return { type: "webhook", id, name, description, url, status, subscribedEvents, links };
}
