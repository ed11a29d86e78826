import { createHash } from "node:crypto";
import { z } from "zod";
import type { Logger } from "../../../platform/telemetry/logger.ts";
import type { ProviderCall } from "../connector.ts";
import { ProviderError } from "../provider-error.ts";
import { parseAnswer } from "../provider-http.ts";
import type { ProviderTokens } from "../provider-tokens.ts";
import { withinOneTimeout } from "../within-one-timeout.ts";
import { tokenShape } from "./consent.ts";
import type { WiseApi } from "./wise-api.ts";

/** What the application wants to hear of every profile that is connected. */
const wantedEvents = ["balances#update", "balances#account-state-change", "transfers#state-change"] as const;
const version = "2.0.0";
const subscriptionsMax = 500;

const tokenName = "wise";
const hourMs = 3_600_000;
/** Twelve hours is how long a token lives. */
const policy = { renewAtAgeMs: 10 * hourMs, neverPastAgeMs: 11.5 * hourMs, failuresMax: 5 };
const checkEveryMs = 24 * hourMs;
const afterFailureMs = 5 * 60_000;

const subscriptionsShape = z
  .array(z.looseObject({ trigger_on: z.string().max(200), delivery: z.looseObject({ url: z.string().max(4_096) }) }))
  .max(subscriptionsMax);

/** What subscriptions are made with. */
export interface SubscriptionParts {
  readonly api: WiseApi;
  readonly tokens: ProviderTokens;
  readonly clientId: string;
  readonly clientSecret: string;
  readonly clientKey: string;
  readonly webhookUrl: string;
  readonly log: Logger;
}

/** The application's webhook subscriptions. */
export interface Subscriptions {
  /** Makes those that are missing, once a day at most. Nothing depends on it: a failure is logged, and tried again some minutes later. */
  ensure(call: ProviderCall): Promise<void>;
}

/** Makes them, with the application's own token, which all replicas share. */
export function createSubscriptions(parts: SubscriptionParts): Subscriptions {
  let dueMs = Number.NEGATIVE_INFINITY;
  let underWay: Promise<void> | undefined;
  const run = async (call: ProviderCall): Promise<void> => {
    try {
      await makeMissing(parts, call);
      dueMs = call.now.getTime() + checkEveryMs;
    } catch (error) {
      if (!(error instanceof ProviderError)) throw error;
      dueMs = call.now.getTime() + afterFailureMs;
      const { failure: reason, detail, correlationId } = error;
      const facts = { connector: "wise", reason, detail, correlationId };
      parts.log.warn(facts, "webhook subscriptions were not checked");
    }
  };
  return {
    ensure: async (call) => {
      if (call.now.getTime() < dueMs) return;
      // Not the caller's signal: others wait for the same work.
      underWay ??= run({ now: call.now, timeoutMs: call.timeoutMs }).finally(() => {
        underWay = undefined;
      });
      await underWay;
    },
  };
}

async function makeMissing(parts: SubscriptionParts, call: ProviderCall): Promise<void> {
  const next = withinOneTimeout(call);
  const path = `/v3/applications/${encodeURIComponent(parts.clientKey)}/subscriptions`;
  const there = await withToken(parts, next, (token) =>
    ask(parts, { method: "GET", path, token }, subscriptionsShape, next()),
  );
  const isThere = (event: string) =>
    there.some((each) => each.trigger_on === event && each.delivery.url === parts.webhookUrl);
  for (const event of wantedEvents) {
    if (isThere(event)) continue;
    const body = { name: `Paymesh ${event}`, trigger_on: event, delivery: { version, url: parts.webhookUrl } };
    await withToken(parts, next, (token) => ask(parts, { method: "POST", path, token, body }, z.unknown(), next()));
    parts.log.info({ connector: "wise", name: event }, "webhook subscription made");
  }
}

async function ask<T>(
  { api }: SubscriptionParts,
  request: Parameters<WiseApi["send"]>[0],
  shape: z.ZodType<T>,
  call: ProviderCall,
): Promise<T> {
  return parseAnswer(await api.send(request, call), shape);
}

/** Uses the application's token; one that Wise refuses is forgotten, and another tried once. */
async function withToken<T>(
  parts: SubscriptionParts,
  next: () => ProviderCall,
  use: (token: string) => Promise<T>,
): Promise<T> {
  const token = await currentToken(parts, next());
  try {
    return await use(token);
  } catch (error) {
    if (!(error instanceof ProviderError && error.failure === "unauthorized")) throw error;
    await parts.tokens.reject(tokenName, token);
    return await use(await currentToken(parts, next()));
  }
}

async function currentToken({ api, tokens, clientId, clientSecret }: SubscriptionParts, call: ProviderCall) {
  const credentialsHash = createHash("sha256").update(`${clientId}\n${clientSecret}`).digest("hex");
  const mint = async (minting: ProviderCall) => {
    const answer = await api.token({ grant_type: "client_credentials" }, tokenShape, minting).catch(notALogin);
    const lifeMs = answer.expires_in === undefined ? undefined : answer.expires_in * 1000;
    return {
      token: answer.access_token,
      expiresAt: lifeMs === undefined ? undefined : new Date(minting.now.getTime() + lifeMs),
    };
  };
  return await tokens.get(tokenName, { ...policy, credentialsHash, mint }, call);
}

/** Wise locks nobody out over a login whose answer was not understood; only a plain refusal counts. */
function notALogin(error: unknown): never {
  if (!(error instanceof ProviderError) || !error.mayHaveActed) throw error;
  const { detail, correlationId } = error;
  throw new ProviderError(error.failure, { detail, correlationId });
}
