import { DomainError } from "../../platform/errors/domain-error.ts";
import type {
  NotificationConnector,
  NotificationSubscription,
  SubscriptionContents,
} from "../connectors/notification-connector.ts";
import { ProviderError } from "../connectors/provider-error.ts";
import type { AuditAction } from "../domain/audit.ts";
import type { Owner } from "../domain/connection.ts";
import { isAllowedUrl } from "../domain/provider-urls.ts";
import { type Caller, callFor, connectorNamed, type Dependencies } from "./dependencies.ts";
import { type AskedOfProvider, fromProvider, logProviderFailure } from "./provider-failure.ts";

/** The installation itself: its subscriptions belong to no user. */
const notificationOwner: Owner = Object.freeze({ tenant: "operator", userId: "notifications" });

/** Lists them. Throws `CONNECTOR_NOT_FOUND` where the connector is not set up or has none, and the provider's failures. */
export async function listSubscriptions(
  deps: Dependencies,
  connector: string,
  caller: Caller,
): Promise<{ total: number; subscriptions: readonly NotificationSubscription[] }> {
  const answer = notificationsOf(deps, connector).list(callFor(deps, caller));
  return await told(deps, { connector, operation: "list_subscriptions" }, answer);
}

/** A subscription, by connector and id. */
export interface SubscriptionName {
  readonly connector: string;
  readonly subscriptionId: string;
}

/** Reads one. Throws `SUBSCRIPTION_NOT_FOUND`, and as `listSubscriptions`. */
export async function findSubscription(
  deps: Dependencies,
  { connector, subscriptionId }: SubscriptionName,
  caller: Caller,
): Promise<NotificationSubscription> {
  const answer = notificationsOf(deps, connector).find(subscriptionId, callFor(deps, caller));
  return await told(deps, { connector, operation: "find_subscription" }, answer);
}

/** Subscribes. Throws `INVALID_ARGUMENT` for what we or the provider refuse, and as `listSubscriptions`. */
export async function subscribe(
  deps: Dependencies,
  { connector, contents }: { connector: string; contents: SubscriptionContents },
  caller: Caller,
): Promise<NotificationSubscription> {
  const notifications = notificationsOf(deps, connector);
  assertContents(deps, notifications, contents);
  const answer = notifications.subscribe(contents, callFor(deps, caller));
  const made = await told(deps, { connector, operation: "subscribe" }, answer);
  await audit(deps, caller, { action: "connect", outcome: "notifications_subscribed", connector });
  return made;
}

/** Replaces what one says, and switches it where told. Safe to repeat. Throws as `subscribe` and `findSubscription`. */
export async function replaceSubscription(
  deps: Dependencies,
  command: SubscriptionName & { contents: SubscriptionContents; status: "active" | "inactive" | undefined },
  caller: Caller,
): Promise<NotificationSubscription> {
  const { connector, subscriptionId, contents, status } = command;
  const notifications = notificationsOf(deps, connector);
  assertContents(deps, notifications, contents);
  const asked = { connector, operation: "replace_subscription" };
  await told(deps, asked, notifications.replace(subscriptionId, contents, callFor(deps, caller)));
  if (status !== undefined) {
    await told(deps, asked, notifications.setStatus(subscriptionId, status, callFor(deps, caller)));
  }
  await audit(deps, caller, { action: "connect", outcome: "notifications_changed", connector });
  return await findSubscription(deps, command, caller);
}

/** Ends one. Throws as `findSubscription`. */
export async function endSubscription(deps: Dependencies, name: SubscriptionName, caller: Caller): Promise<void> {
  const { connector, subscriptionId } = name;
  const answer = notificationsOf(deps, connector).remove(subscriptionId, callFor(deps, caller));
  await told(deps, { connector, operation: "end_subscription" }, answer);
  await audit(deps, caller, { action: "disconnect", outcome: "notifications_ended", connector });
}

function notificationsOf(deps: Dependencies, connector: string): NotificationConnector {
  const { notifications } = connectorNamed(deps, connector);
  if (notifications === undefined) throw new DomainError("CONNECTOR_NOT_FOUND");
  return notifications;
}

function assertContents(deps: Dependencies, { kinds, hasOwnUrl }: NotificationConnector, given: SubscriptionContents) {
  const unknown = given.events.find(({ name }) => !kinds.includes(name));
  if (unknown !== undefined)
    throw new DomainError("INVALID_ARGUMENT", { why: `name must be one of ${kinds.join(", ")}` });
  const urls = [given.url, ...given.events.map((event) => event.url)].filter((each) => each !== undefined);
  if (!urls.every((each) => isAllowedUrl(each, deps.insecureAllowed))) {
    throw new DomainError("INVALID_ARGUMENT", { why: "url must be an https address" });
  }
  if (!hasOwnUrl && given.url === undefined && !given.events.every((event) => event.url !== undefined)) {
    throw new DomainError("INVALID_ARGUMENT", { why: "url is needed: no webhook of this installation is set" });
  }
}

/** As `fromProvider`, but what it does not know or refuses is the subscription. */
async function told<T>(deps: Dependencies, asked: AskedOfProvider, answer: Promise<T>): Promise<T> {
  const known = answer.catch((error: unknown) => {
    const isRefusal = error instanceof ProviderError && ["not_found", "forbidden"].includes(error.failure);
    if (!isRefusal) throw error;
    logProviderFailure(deps, asked, error);
    if (error.failure === "not_found") throw new DomainError("SUBSCRIPTION_NOT_FOUND", {}, { cause: error });
    throw new DomainError("INVALID_ARGUMENT", { why: "The provider refuses this subscription" }, { cause: error });
  });
  return await fromProvider(deps, asked, known);
}

async function audit(
  deps: Dependencies,
  caller: Caller,
  act: { action: AuditAction; outcome: string; connector: string },
): Promise<void> {
  const { connector } = act;
  const subject = { owner: notificationOwner, actor: caller.actor, now: deps.clock.now() };
  await deps.storage.auditLog.append({ subject, acts: [{ ...act, institutionId: connector, durationMs: 0 }] });
}
