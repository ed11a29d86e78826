import { createHash } from "node:crypto";
import { z } from "zod";
import { parseSignedTime } from "../../webhooks/schemes/freshness.ts";
import { createKeyCache } from "../../webhooks/schemes/key-cache.ts";
import { createRsaScheme } from "../../webhooks/schemes/rsa-scheme.ts";
import type { WebhookScheme } from "../../webhooks/schemes/scheme.ts";
import type { ProviderCall } from "../connector.ts";
import { parseJson } from "../provider-http.ts";
import {
  type ProviderEvent,
  type RawWebhook,
  type WebhookEffect,
  type WebhookReader,
  WebhookRefused,
} from "../webhook-reader.ts";

const signatureHeader = "x-signature-sha256";
const deliveryHeader = "x-delivery-id";
const testHeader = "x-test-notification";
const dayMs = 86_400_000;
/** Wise sends the same body again for 34 hours and fourteen days. */
const ageMsMax = 16 * dayMs;
const keysAgeMsMax = 3_600_000;
/** Keys this young are not fetched again for a signature they do not fit. */
const refetchAfterMs = 60_000;

const id = z.union([z.number(), z.string().max(40)]).transform(String);
const owner = z.looseObject({ id: id.optional(), profile_id: id.optional() });
const dataShape = z.looseObject({
  resource: owner.optional().catch(undefined),
  action: owner.optional().catch(undefined),
  profile_id: id.optional().catch(undefined),
  current_state: z.string().max(100).optional().catch(undefined),
  occurred_at: z.string().max(40).optional().catch(undefined),
});
const bodyShape = z.looseObject({
  event_type: z.string().min(1).max(100),
  sent_at: z.string().max(40),
  data: dataShape,
});
type Body = z.infer<typeof bodyShape>;

/** Where the keys come from that webhooks are signed with, in PEM. */
export type WebhookKeySource =
  | { readonly kind: "known"; readonly publicKeys: readonly string[] }
  | { readonly kind: "fetched"; fetch(call: ProviderCall): Promise<readonly string[]> };

/** Wise's webhooks. Nothing but the body is signed: age and identity are taken from there, and from no header. */
export function createWiseWebhooks(keys: WebhookKeySource): WebhookReader {
  return {
    headers: [signatureHeader, deliveryHeader, testHeader],
    verify: keys.kind === "known" ? schemeOf(keys.publicKeys) : fetchingScheme(keys.fetch),
    read: async (request) => {
      const parsed = bodyShape.safeParse(parseJson(request.body.toString("utf8")));
      if (!parsed.success) throw new WebhookRefused("signature_malformed");
      return [eventOf(request, parsed.data)];
    },
  };
}

function eventOf(request: RawWebhook, body: Body): ProviderEvent {
  const { event_type: type, data } = body;
  const reference = data.resource?.profile_id ?? data.profile_id ?? data.action?.profile_id;
  // The header is not signed, so it alone makes nothing a test; test notifications are about a profile of number zero.
  const isTest = request.headers[testHeader] === "true" && (reference === undefined || reference === "0");
  return {
    /*
     * Delivery ids may change with each attempt, the time of sending may, and each subscription has a delivery of its own. What happened
     * is in `data`: the same data is the same event.
     */
    eventId: createHash("sha256")
      .update(`${type}\n${JSON.stringify(data)}`)
      .digest("hex"),
    type,
    occurredAt: parseSignedTime(data.occurred_at ?? "") ?? parseSignedTime(body.sent_at),
    providerReference: reference,
    effect: isTest ? { kind: "ignore" } : effectOf(body),
  };
}

/** Transfers in these states have not touched a balance yet. */
const waitingStates: ReadonlySet<string> = new Set(["incoming_payment_waiting", "incoming_payment_initiated"]);

function effectOf({ event_type: type, data }: Body): WebhookEffect {
  switch (type) {
    case "transfers#state-change":
      return { kind: waitingStates.has(data.current_state ?? "") ? "ignore" : "sync_transactions" };
    case "balances#credit":
    case "balances#update":
    case "transfers#refund":
    case "transfers#payout-failure":
    case "account-details-payment#state-change":
    case "cards#transaction-state-change":
    case "swift-in#credit":
      return { kind: "sync_transactions" };
    case "balances#account-state-change":
      return { kind: "sync_accounts" };
    default:
      return { kind: "ignore" };
  }
}

function schemeOf(publicKeys: readonly string[]): WebhookScheme {
  return createRsaScheme({
    header: signatureHeader,
    publicKeys,
    clock: {
      withinMs: ageMsMax,
      signedAt: (body) => {
        const parsed = bodyShape.safeParse(parseJson(body.toString("utf8")));
        return parsed.success ? parseSignedTime(parsed.data.sent_at) : undefined;
      },
    },
  });
}

function fetchingScheme(fetch: (call: ProviderCall) => Promise<readonly string[]>): WebhookScheme {
  const cache = createKeyCache({
    fetch: async (_id, call) => schemeOf(await fetch(call)),
    ageMaxMs: keysAgeMsMax,
  });
  const scheme = async (call: ProviderCall, ageMaxMs: number) => {
    const found = await cache.get("all", call, ageMaxMs);
    if (found === undefined) throw new Error("the keys are always found, or fail to be");
    return found;
  };
  return async (request, call) => {
    const known = await scheme(call, keysAgeMsMax);
    try {
      await known(request, call);
    } catch (error) {
      if (!(error instanceof WebhookRefused) || error.reason !== "signature_wrong") throw error;
      const fresh = await scheme(call, refetchAfterMs);
      if (fresh === known) throw error;
      await fresh(request, call);
    }
  };
}
