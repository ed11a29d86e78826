import { createPublicKey } from "node:crypto";
import { z } from "zod";
import { parseJsonAmounts } from "../../../platform/money/decimal-text.ts";
import { createEcdsaScheme } from "../../webhooks/schemes/ecdsa-scheme.ts";
import { createHmacScheme } from "../../webhooks/schemes/hmac-scheme.ts";
import { refused, type WebhookScheme } from "../../webhooks/schemes/scheme.ts";
import {
  type ProviderEvent,
  type RawWebhook,
  type WebhookEffect,
  type WebhookReader,
  WebhookRefused,
} from "../webhook-reader.ts";
import type { MastercardSettings } from "./mastercard-settings.ts";

const connectHeader = "x-finicity-signature";
const signatureHeader = "x-mastercard-signature";
const timestampHeader = "x-mastercard-signature-timestamp";
const algorithmHeader = "x-mastercard-signature-algorithm";
const messageHeader = "x-mastercard-webhook-message-id";
const keysMax = 4;

const idNames: ReadonlySet<string> = new Set(["customerId", "institutionLoginId", "code"]);
const id = z.string().regex(/^\d{1,19}$/);
const word = z.string().min(1).max(100);
const login = z.looseObject({ institutionLoginId: id.nullish().catch(undefined) });
const connectShape = z.looseObject({
  customerId: id.nullish(),
  eventType: word,
  eventId: z.string().min(1).max(200).nullish(),
  payload: z
    .looseObject({
      institutionLoginId: id.nullish().catch(undefined),
      accounts: z.array(login).max(1_000).nullish().catch(undefined),
      code: z
        .string()
        .regex(/^\d{1,9}$/)
        .nullish()
        .catch(undefined),
    })
    .nullish(),
});
const notificationShape = z.looseObject({
  eventName: word,
  eventTime: z.iso.datetime({ offset: true }).nullish().catch(undefined),
  customerId: id.nullish(),
  institutionLoginId: id.nullish(),
  status: word.nullish(),
  authorizationEndDate: z.iso.datetime({ offset: true }).nullish().catch(undefined),
});

/** What webhooks are proved with. */
export interface MastercardWebhookOptions {
  readonly settings: MastercardSettings;
  readonly partnerSecret: string;
}

/**
 * Both generations. Connect's are proved by the partner's secret and say no time: what was recorded may come again, and is known by its
 * event id. Notifications are proved by Mastercard's key, within five minutes of their time.
 */
export function createMastercardWebhooks(options: MastercardWebhookOptions): WebhookReader {
  const ofConnect = connectScheme(options);
  const ofNotifications = notificationScheme(options.settings);
  return {
    headers: [connectHeader, signatureHeader, timestampHeader, algorithmHeader, messageHeader],
    // The header says which kind it is, here and where it is read: a proof of one kind never carries the other's contents.
    verify: async (request, call) => {
      if (!isNotification(request)) return await ofConnect(request, call);
      if (ofNotifications === undefined) throw refused("key_unknown");
      await ofNotifications(request, call);
    },
    read: async (request) => (isNotification(request) ? readNotification(request) : readConnectEvent(request)),
  };
}

/** The keys of a text of PEM blocks; undefined for a text with none, too many, or one of another kind. */
export function publicKeysIn(text: string): readonly string[] | undefined {
  const keys = text.match(/-----BEGIN PUBLIC KEY-----[^-]+-----END PUBLIC KEY-----/g) ?? [];
  if (keys.length === 0 || keys.length > keysMax) return undefined;
  try {
    const isFine = keys.every((key) => createPublicKey(key).asymmetricKeyDetails?.namedCurve === "prime256v1");
    return isFine ? keys : undefined;
  } catch {
    return undefined;
  }
}

function connectScheme({ settings, partnerSecret }: MastercardWebhookOptions): WebhookScheme {
  const previous = settings.OPEN_BANKING_PARTNER_SECRET_PREVIOUS;
  const secrets = previous === undefined ? [partnerSecret] : [partnerSecret, previous];
  return createHmacScheme({ header: connectHeader, secrets });
}

function notificationScheme(settings: MastercardSettings): WebhookScheme | undefined {
  const publicKeys = publicKeysIn(settings.OPEN_BANKING_WEBHOOK_PUBLIC_KEY ?? "");
  if (publicKeys === undefined) return undefined;
  const form = settings.OPEN_BANKING_WEBHOOK_SIGNATURE_FORM === "der" ? ("der" as const) : ("ieee-p1363" as const);
  return createEcdsaScheme({ signatureHeader, timestampHeader, algorithmHeader, publicKeys, form, encoding: "hex" });
}

function bodyOf(request: RawWebhook): unknown {
  return parseJsonAmounts(request.body.toString("utf8"), idNames);
}

function isNotification(request: RawWebhook): boolean {
  return request.headers[signatureHeader] !== undefined;
}

function readConnectEvent(request: RawWebhook): readonly ProviderEvent[] {
  const parsed = connectShape.safeParse(bodyOf(request));
  if (!parsed.success) throw new WebhookRefused("signature_malformed");
  const { eventType, payload } = parsed.data;
  const eventId = parsed.data.eventId ?? undefined;
  const providerReference = parsed.data.customerId ?? undefined;
  const loginId = payload?.institutionLoginId ?? payload?.accounts?.[0]?.institutionLoginId ?? undefined;
  const effects = connectEffects(eventType, { code: payload?.code ?? undefined, hasLogin: loginId !== undefined });
  return effects.map((effect, index) => ({
    eventId: eventId === undefined ? undefined : index === 0 ? eventId : `${eventId}:${effect.kind}`,
    type: `connect.${eventType}`,
    providerReference,
    ownerReference: effect.kind === "healed" ? loginId : undefined,
    effect,
  }));
}

/** The step for who began the consent, and what there is to fetch. */
function connectEffects(type: string, told: { code: string | undefined; hasLogin: boolean }): readonly WebhookEffect[] {
  const step = { kind: "progress", detail: type } as const;
  switch (type) {
    case "ping":
      return [{ kind: "ignore" }];
    case "done":
      return [step, { kind: "sync_transactions" }];
    case "credentialsUpdated":
      return told.hasLogin ? [step, { kind: "healed" }] : [step];
    case "accountsDeleted":
      return [{ kind: "sync_accounts" }];
    case "started":
    case "discovered":
    case "adding":
    case "added":
    case "processing":
      return [step];
    default:
      // Their list of failures grows: each of them has a code, or a word that says so.
      return isFailure(type, told.code)
        ? [{ kind: "progress", detail: `error:${told.code ?? type}` }]
        : [{ kind: "ignore" }];
  }
}

function isFailure(type: string, code: string | undefined): boolean {
  return code !== undefined || /error|unable|invalid|fail|unsupported/i.test(type);
}

function readNotification(request: RawWebhook): readonly ProviderEvent[] {
  const parsed = notificationShape.safeParse(bodyOf(request));
  if (!parsed.success) throw new WebhookRefused("signature_malformed");
  const { eventName, eventTime, customerId, institutionLoginId } = parsed.data;
  const effect = notificationEffect(parsed.data);
  const isOfLogin = effect.kind === "expiring" || effect.kind === "consent_revoked";
  return [
    {
      eventId: request.headers[messageHeader],
      type: eventName,
      occurredAt: eventTime === null || eventTime === undefined ? undefined : new Date(eventTime),
      providerReference: customerId ?? undefined,
      ownerReference: isOfLogin ? (institutionLoginId ?? undefined) : undefined,
      effect,
    },
  ];
}

function notificationEffect(body: z.infer<typeof notificationShape>): WebhookEffect {
  const hasLogin = typeof body.institutionLoginId === "string";
  switch (body.eventName) {
    case "authorization.accesstoken.expiry":
      return hasLogin
        ? { kind: "expiring", detail: body.authorizationEndDate ?? undefined }
        : { kind: "sync_accounts" };
    case "manage.txpush.account.created":
      return { kind: "sync_accounts" };
    case "mastercard.openbanking.customer.consent":
      if (body.status !== "revoked") return { kind: "ignore" };
      // Without the login it could be any of the customer's: each is asked how it stands.
      return hasLogin ? { kind: "consent_revoked" } : { kind: "sync_accounts" };
    default:
      return { kind: "ignore" };
  }
}
