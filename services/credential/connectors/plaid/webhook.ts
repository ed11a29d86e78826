import { createHash } from "node:crypto";
import { z } from "zod";
import { createPlaidScheme, plaidSignedAt } from "../../webhooks/schemes/plaid-scheme.ts";
import { parseJson } from "../provider-http.ts";
import { type ProviderEvent, type WebhookEffect, type WebhookReader, WebhookRefused } from "../webhook-reader.ts";
import { type PlaidCalls, PlaidRefusal, reauthorizeCodes } from "./plaid-api.ts";

const header = "plaid-verification";
const keyText = z.string().min(1).max(200);
const keyShape = z.looseObject({
  key: z.looseObject({
    alg: z.literal("ES256"),
    kid: keyText,
    x: keyText,
    y: keyText,
    expired_at: z.number().nullish(),
  }),
});
const bodyShape = z.looseObject({
  webhook_type: z.string().max(60),
  webhook_code: z.string().max(80),
  item_id: z.string().max(255).optional(),
  error: z.looseObject({ error_code: z.string().max(80) }).nullish(),
  consent_expiration_time: z.iso.datetime({ offset: true }).nullish().catch(undefined),
  disconnect_time: z.iso.datetime({ offset: true }).nullish().catch(undefined),
});
type Body = z.infer<typeof bodyShape>;

/** Plaid's webhooks: `Plaid-Verification` proves them, and they say no more than which item to look at. */
export function createPlaidWebhooks(calls: PlaidCalls): WebhookReader {
  const verify = createPlaidScheme({
    fetchKey: async (kid, call) => {
      try {
        const { key } = await calls.ask((api) => api.webhookVerificationKeyGet({ key_id: kid }), keyShape, call);
        const { x, y } = key;
        return { kid: key.kid, x, y, isExpired: key.expired_at !== null && key.expired_at !== undefined };
      } catch (error) {
        if (error instanceof PlaidRefusal && error.code === "INVALID_WEBHOOK_VERIFICATION_KEY_ID") return undefined;
        throw error;
      }
    },
  });
  return {
    headers: [header],
    verify,
    read: async (request): Promise<readonly ProviderEvent[]> => {
      const body = bodyShape.safeParse(parseJson(request.body.toString("utf8")));
      if (!body.success) throw new WebhookRefused("signature_malformed");
      const { webhook_type: type, webhook_code: code, item_id: itemId } = body.data;
      const token = request.headers[header] ?? "";
      return [
        {
          // Plaid gives events no id, and two that say the same have the same bytes and, within a second, the same time. Their
          // signatures differ; a repeat that was signed anew counts as new, and asks again for what was done.
          eventId: createHash("sha256").update(token).digest("base64url"),
          type: `${type}.${code}`,
          occurredAt: plaidSignedAt(token),
          providerReference: itemId,
          effect: effectOf(body.data),
        },
      ];
    },
  };
}

function effectOf(body: Body): WebhookEffect {
  switch (`${body.webhook_type}.${body.webhook_code}`) {
    case "TRANSACTIONS.SYNC_UPDATES_AVAILABLE":
      return { kind: "sync_transactions" };
    case "ITEM.ERROR":
      return { kind: reauthorizeCodes.has(body.error?.error_code ?? "") ? "reauthorize" : "ignore" };
    case "ITEM.PENDING_EXPIRATION":
      return { kind: "expiring", detail: body.consent_expiration_time ?? undefined };
    case "ITEM.PENDING_DISCONNECT":
      return { kind: "expiring", detail: body.disconnect_time ?? undefined };
    case "ITEM.USER_PERMISSION_REVOKED":
      return { kind: "consent_revoked" };
    // One account of several: the others stay.
    case "ITEM.USER_ACCOUNT_REVOKED":
      return { kind: "sync_accounts" };
    case "ITEM.LOGIN_REPAIRED":
      return { kind: "healed" };
    default:
      return { kind: "ignore" };
  }
}
