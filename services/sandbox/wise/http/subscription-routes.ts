import type { FastifyInstance, FastifyRequest } from "fastify";
import { z } from "zod";
import { isUuid, uuidv7 } from "../../../platform/ids/uuidv7.ts";
import type { ReadMoment } from "../../kit/sandbox-clock.ts";
import { eventType, isForApplications, isForProfiles } from "../domain/event-body.ts";
import type { Settings } from "../domain/settings.ts";
import { forbidden, requestError } from "../domain/wise-error.ts";
import type { Events } from "../events.ts";
import type { Subscription, SubscriptionScope, SubscriptionStore } from "../storage/subscription-store.ts";
import type { TokenDesk } from "../token-desk.ts";
import { grantOf, requireApplication } from "./bearer.ts";

/** What these routes need. */
export interface SubscriptionRoutesDeps {
  readonly desk: TokenDesk;
  readonly subscriptions: SubscriptionStore;
  readonly events: Events;
  readonly moment: ReadMoment<Settings>;
  readonly app: { readonly clientId: string };
}

const requestShape = z.object({
  name: z.string().min(1).max(255),
  trigger_on: eventType,
  delivery: z.object({
    version: z.enum(["2.0.0", "3.0.0", "4.0.0"]),
    // Wise takes https alone; the local world has none.
    url: z
      .url({ protocol: /^https?$/ })
      .max(1_000)
      .refine((url) => new URL(url).search === "", "must have no query"),
  }),
});

type ScopedRequest = FastifyRequest<{ Params: { scopeId: string; id?: string } }>;

/** Webhook subscriptions: of a profile with its person's token, of the application with its own. */
export function addSubscriptionRoutes(scope: FastifyInstance, deps: SubscriptionRoutesDeps): void {
  const { desk, subscriptions, events } = deps;
  for (const domain of ["profile", "application"] as const) {
    const path = `/v3/${domain}s/:scopeId/subscriptions`;
    const scopeOf = (request: ScopedRequest) => authorizedScope(deps, domain, request);
    scope.post(path, async (request: ScopedRequest) => {
      const where = await scopeOf(request);
      const { name, trigger_on: triggerOn, delivery } = readRequest(domain, request.body);
      const { now } = await deps.moment();
      const added = await subscriptions.add({ ...where, name, triggerOn, ...delivery, createdAt: now });
      if (added === undefined) throw requestError(422, "LIMIT", "Too many subscriptions", "");
      return viewOf(added);
    });
    scope.get(path, async (request: ScopedRequest) => (await subscriptions.list(await scopeOf(request))).map(viewOf));
    scope.get(`${path}/:id`, async (request: ScopedRequest) =>
      viewOf(await findIn(subscriptions, await scopeOf(request), request.params.id)),
    );
    scope.delete(`${path}/:id`, async (request: ScopedRequest, reply) => {
      const where = await scopeOf(request);
      const { subscriptionId } = await findIn(subscriptions, where, request.params.id);
      await subscriptions.remove(where, subscriptionId);
      return reply.code(204).send();
    });
  }
  scope.post("/v3/applications/:scopeId/subscriptions/:id/test-notifications", async (request: ScopedRequest) => {
    await requireApplication(desk, request);
    const where = await authorizedScope(deps, "application", request);
    const subscription = await findIn(subscriptions, where, request.params.id);
    await events.sendTest(subscription, await testHappening(deps, subscription));
    return [{ delivery_id: uuidv7() }];
  });
}

async function authorizedScope(
  deps: SubscriptionRoutesDeps,
  domain: SubscriptionScope["domain"],
  request: ScopedRequest,
): Promise<SubscriptionScope> {
  const { scopeId } = request.params;
  if (domain === "application") {
    await requireApplication(deps.desk, request);
    if (scopeId !== deps.app.clientId) throw forbidden();
  } else if (String((await grantOf(deps.desk, request)).profileId) !== scopeId) {
    throw forbidden();
  }
  return { domain, scopeId };
}

function readRequest(domain: SubscriptionScope["domain"], body: unknown): z.infer<typeof requestShape> {
  const parsed = requestShape.safeParse(body);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw requestError(422, "ERROR", issue?.message ?? "invalid", issue?.path.join(".") ?? "");
  }
  const type = parsed.data.trigger_on;
  if (!(domain === "profile" ? isForProfiles(type) : isForApplications(type))) {
    throw requestError(422, "ERROR", "The event is not available for this kind of subscription", "trigger_on");
  }
  return parsed.data;
}

async function findIn(
  subscriptions: SubscriptionStore,
  where: SubscriptionScope,
  id: string | undefined,
): Promise<Subscription> {
  const found = id !== undefined && isUuid(id) ? await subscriptions.find(where, id) : undefined;
  if (found === undefined) throw requestError(404, "NOT_FOUND", "Subscription not found", "");
  return found;
}

/** As Wise makes them: the right shape, numbers of zero, the time of now. */
async function testHappening(deps: SubscriptionRoutesDeps, subscription: Subscription) {
  const { now } = await deps.moment();
  return {
    type: eventType.parse(subscription.triggerOn),
    profileId: 0,
    balanceId: 0,
    transferId: 0,
    amount: 0,
    currency: "EUR",
    balanceAfter: 0,
    direction: "credit",
    currentState: "incoming_payment_waiting",
    previousState: null,
    occurredAt: now,
  } as const;
}

function viewOf(subscription: Subscription) {
  return {
    id: subscription.subscriptionId,
    name: subscription.name,
    delivery: { version: subscription.version, url: subscription.url },
    trigger_on: subscription.triggerOn,
    scope: { domain: subscription.domain, id: subscription.scopeId },
    created_by: { type: subscription.domain === "application" ? "application" : "user", id: subscription.scopeId },
    created_at: subscription.createdAt.toISOString(),
  };
}
