import { z } from "zod";
import { createStandardWebhooksScheme } from "../../webhooks/schemes/standard-webhooks-scheme.ts";
import type { ProviderCall } from "../connector.ts";
import { ProviderError } from "../provider-error.ts";
import { parseJson } from "../provider-http.ts";
import { type ProviderEvent, type WebhookEffect, type WebhookReader, WebhookRefused } from "../webhook-reader.ts";
import { withinOneTimeout } from "../within-one-timeout.ts";
import { type BasiqApi, idShape } from "./basiq-api.ts";
import { activeConsent, fetchConnections, fetchConsents, momentShape } from "./records.ts";

const bodyShape = z.looseObject({
  eventTypeId: z.string().regex(/^[a-z_-]{1,40}\.[a-z_-]{1,40}$/),
  eventId: idShape,
  links: z.looseObject({ eventEntity: z.string().max(2048) }),
});
const eventShape = z.looseObject({
  entity: z.string().max(40),
  eventType: z.string().max(80),
  userId: idShape,
  createdDate: momentShape,
  data: z.looseObject({ expiryDate: momentShape }).nullish().catch(undefined),
});
type FetchedEvent = z.infer<typeof eventShape>;

/** Those that ask for something; all others are told to many and mean nothing here. */
const wanted: ReadonlySet<string> = new Set([
  "account.updated",
  "connection.activated",
  "connection.deleted",
  "connection.invalidated",
  "consent.expired",
  "consent.revoked",
  "consent.updated",
  "consent.warning",
  "transactions.updated",
  "user.deleted",
]);

/** Basiq's webhooks: Standard Webhooks proves them, and what they only point at is fetched. */
export function createBasiqWebhooks(api: BasiqApi, secrets: readonly string[]): WebhookReader {
  return {
    headers: ["webhook-id", "webhook-timestamp", "webhook-signature"],
    verify: createStandardWebhooksScheme({ secrets }),
    read: async (request): Promise<readonly ProviderEvent[]> => {
      const body = bodyShape.safeParse(parseJson(request.body.toString("utf8")));
      if (!body.success) throw new WebhookRefused("signature_malformed");
      const { eventTypeId: type, eventId, links } = body.data;
      const providerReference = /\/users\/([A-Za-z0-9_-]{1,100})(?:\/|$)/.exec(links.eventEntity)?.[1];
      return [{ eventId, type, providerReference, effect: { kind: wanted.has(type) ? "fetch" : "ignore" } }];
    },
    resolve: async (event, call) => {
      const { eventId } = event;
      if (eventId === undefined) throw new ProviderError("not_found", { detail: "an event without an id" });
      const left = withinOneTimeout(call);
      const told = await api.ask({ method: "GET", path: `/events/${eventId}` }, eventShape, left());
      const type = told.eventType.includes(".") ? told.eventType : `${told.entity}.${told.eventType}`;
      const effect = await effectOf(api, { ...told, type }, left);
      return { eventId, type, occurredAt: endOfSecond(told.createdDate), providerReference: told.userId, effect };
    },
  };
}

/** Basiq tells whole seconds; what happened in the second of a consent must not look older than the consent. */
function endOfSecond(time: Date | undefined): Date | undefined {
  return time && new Date(Math.floor(time.getTime() / 1_000) * 1_000 + 999);
}

/** What an event asks for, by what is true of its user now: he may have consented anew since. */
async function effectOf(
  api: BasiqApi,
  event: FetchedEvent & { readonly type: string },
  left: () => ProviderCall,
): Promise<WebhookEffect> {
  const { type, userId } = event;
  switch (type) {
    case "transactions.updated":
      return { kind: "sync_transactions" };
    case "account.updated":
      return { kind: "sync_accounts" };
    case "connection.activated":
      return { kind: "healed" };
    case "connection.invalidated": {
      const connections = await connectionsOf(api, userId, left());
      const isInvalid = connections?.some((each) => each.status === "invalid") ?? false;
      return { kind: isInvalid ? "reauthorize" : "ignore" };
    }
    case "connection.deleted": {
      const connections = await connectionsOf(api, userId, left());
      return { kind: connections === undefined || connections.length === 0 ? "consent_revoked" : "sync_accounts" };
    }
    case "consent.expired":
      return { kind: (await hasConsent(api, userId, left())) ? "ignore" : "reauthorize" };
    case "consent.revoked":
      return { kind: (await hasConsent(api, userId, left())) ? "ignore" : "consent_revoked" };
    case "consent.warning":
    case "consent.updated":
      return { kind: "expiring", detail: event.data?.expiryDate?.toISOString() };
    case "user.deleted":
      return { kind: "consent_revoked" };
    default:
      return { kind: "ignore" };
  }
}

async function hasConsent(api: BasiqApi, userId: string, call: ProviderCall): Promise<boolean> {
  return activeConsent(await fetchConsents(api, userId, call), call.now) !== undefined;
}

/** The connections of a user; undefined when he is gone. */
async function connectionsOf(api: BasiqApi, userId: string, call: ProviderCall) {
  try {
    return await fetchConnections(api, userId, call);
  } catch (error) {
    if (error instanceof ProviderError && error.failure === "not_found") return undefined;
    throw error;
  }
}
