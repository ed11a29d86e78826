import { createHash, randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { DomainError } from "../../platform/errors/domain-error.ts";
import { ProviderError } from "../connectors/provider-error.ts";
import type { WebhookEffect, WebhookReader } from "../connectors/webhook-reader.ts";
import { jobActor } from "../domain/audit.ts";
import type { Connection } from "../domain/connection.ts";
import { applyEffect } from "../flows/apply-effect.ts";
import { type Dependencies, detachedCall } from "../flows/dependencies.ts";
import { followClientConsent } from "../flows/follow-client-consent.ts";
import { failureFacts } from "../flows/provider-failure.ts";
import { countFlights, type FlightCount } from "../jobs/count-flights.ts";
import { findConnectionsNamed } from "../storage/connection-store.ts";
import { openWebhookPayload } from "../storage/webhook-admin-store.ts";
import {
  buryWebhook,
  type ClaimedWebhook,
  claimWebhooks,
  finishWebhook,
  hasNewerStanding,
  mergeWaiting,
  postponeWebhook,
  resolveWebhook,
  type WebhookOutcome,
} from "../storage/webhook-queue.ts";
import { storeWebhook } from "../storage/webhook-store.ts";
import { unreadableType } from "./accept-webhook.ts";
import { attemptsMax, isErrand, isStanding, lookAgainAfterMs, retryAfterMs, unknownForMs } from "./event-rules.ts";
import { countEnd } from "./webhook-metrics.ts";
import { readPayload, writePayload } from "./webhook-payload.ts";

// One event asks its provider twice at most and writes a few rows.
const leaseMs = 60_000;
const batchSize = 16;
// Some may take as long as their provider lets them; there is room for others until this many do.
const eventsAtOnceMax = 64;
// A provider that hangs takes no more than this, so there is room for the others' events whatever it does.
const eventsOfProviderMax = 32;
const pauseAfterFailureMs = 1_000;

/** What an event came to in this attempt. */
type Result =
  | { readonly kind: "ended"; readonly outcome: WebhookOutcome; readonly connection?: Connection | undefined }
  /** It is in the queue again as what it turned out to be. */
  | { readonly kind: "resolved" }
  | { readonly kind: "unknown_connection" }
  /** No further try would help. */
  | { readonly kind: "hopeless"; readonly error: string };

/**
 * Works off due events until none is left or the signal aborts; safe on several replicas. Of a connection one event at a time is
 * under way, the one that happened first. Those that are due together are taken together, and whoever comes later waits for none of
 * them: neither when a provider hangs, nor when the database failed to hand out more. Resolves when all have ended, to how many attempts
 * were made; rejects when the database hands out none and nothing is under way.
 */
export async function processWebhooks(deps: Dependencies, signal: AbortSignal): Promise<number> {
  const underWay = countFlights();
  try {
    while (!signal.aborted) {
      const wasIdle = underWay.count() === 0;
      const hasRoom = eventsAtOnceMax - underWay.count() >= batchSize;
      const claimed = hasRoom ? await claimBatch(deps, underWay, signal) : [];
      for (const event of claimed) {
        underWay.add([event.connector], processOne(deps, event).catch(leftToItsLease(deps, event)));
      }
      // What ended during the claim may have let more go that it did not see.
      if (wasIdle && claimed.length === 0) break;
      if (claimed.length < batchSize && underWay.count() > 0) await underWay.someEnded();
    }
  } finally {
    await underWay.allEnded();
  }
  return underWay.started();
}

/** None, after a pause, when the database failed while others are under way. */
async function claimBatch(
  { storage, clock, connectors, log }: Dependencies,
  underWay: FlightCount,
  signal: AbortSignal,
): Promise<ClaimedWebhook[]> {
  const now = clock.now();
  const leaseUntil = new Date(now.getTime() + leaseMs);
  const rooms = new Map([...connectors.keys()].map((name) => [name, eventsOfProviderMax - underWay.count(name)]));
  try {
    return await claimWebhooks(storage.db.query, { holder: randomUUID(), now, leaseUntil, limit: batchSize, rooms });
  } catch (err) {
    if (underWay.count() === 0) throw err;
    log.error({ err }, "webhook events not claimed");
    await pause(pauseAfterFailureMs, undefined, { signal }).catch(() => undefined);
    return [];
  }
}

/** The database would not keep how it ended: it comes again once nobody holds it. */
function leftToItsLease({ log }: Dependencies, { connector, webhookId: id }: ClaimedWebhook) {
  return (err: unknown) => log.error({ err, connector, id }, "webhook event left to its lease");
}

async function processOne(deps: Dependencies, claimed: ClaimedWebhook): Promise<void> {
  const { connector, attempts } = claimed;
  try {
    // One that ended its process every time never got as far as counting a failure.
    if (attempts > attemptsMax) return await bury(deps, claimed, "attempts_exhausted");
    await conclude(deps, claimed, await attempt(deps, claimed));
  } catch (error) {
    const word = wordOf(error);
    const told = error instanceof ProviderError ? failureFacts(error) : { err: error };
    deps.log.warn({ connector, id: claimed.webhookId, attempts, ...told, reason: word }, "webhook event failed");
    if (attempts >= attemptsMax) return await bury(deps, claimed, word);
    countEnd(connector, "failed");
    const dueAt = new Date(deps.clock.now().getTime() + retryAfterMs(attempts));
    await postponeWebhook(deps.storage.db.query, claimed, { error: word, dueAt });
  }
}

async function attempt(deps: Dependencies, claimed: ClaimedWebhook): Promise<Result> {
  const { effect, providerReference } = claimed;
  if (effect === undefined) return { kind: "hopeless", error: "effect_unknown" };
  const reader = deps.connectors.get(claimed.connector)?.webhook;
  if (reader === undefined) return { kind: "hopeless", error: "connector_not_configured" };
  if (claimed.type === unreadableType) return await readAgain(deps, claimed, reader);
  if (effect.kind === "fetch") return await resolve(deps, claimed, { reader, effect });
  if (effect.kind === "ignore") return { kind: "ended", outcome: "ignored" };
  if (providerReference === undefined) return { kind: "hopeless", error: "connection_unnamed" };
  if (effect.kind === "progress" && (await follow(deps, claimed, effect.detail))) {
    return { kind: "ended", outcome: "applied" };
  }
  const all = await findConnectionsNamed(deps.storage.db.query, { connector: claimed.connector, providerReference });
  const named = all.filter((each) => (claimed.ownerReference ?? each.ownerReference) === each.ownerReference);
  // A consent that is under way has no connection yet, and many never get one.
  if (named.length === 0 && effect.kind === "progress") return { kind: "ended", outcome: "ignored" };
  if (named.length === 0) return { kind: "unknown_connection" };
  return await applyToAll(deps, claimed, { effect, named });
}

async function follow(deps: Dependencies, claimed: ClaimedWebhook, step: string | undefined): Promise<boolean> {
  const { connector, providerReference: customerId } = claimed;
  if (customerId === undefined || step === undefined) return false;
  return await followClientConsent(deps, { connector, customerId, step });
}

/** Several connections have one name where a provider names the user: what it says is true of all of them. */
async function applyToAll(
  deps: Dependencies,
  claimed: ClaimedWebhook,
  { effect, named }: { effect: WebhookEffect; named: readonly Connection[] },
): Promise<Result> {
  const startedAt = deps.clock.now();
  const [newest] = named;
  const live = named.filter((connection) => connection.state !== "REVOKED");
  if (live.length === 0) return { kind: "ended", outcome: "disconnected", connection: newest };
  const connections = isStanding(effect.kind) ? await withoutNewer(deps, claimed, live) : live;
  if (connections.length === 0) return { kind: "ended", outcome: "superseded", connection: newest };
  for (const connection of connections) await applyEffect(deps, connection, effect);
  if (isErrand(effect.kind)) {
    const now = deps.clock.now();
    await mergeWaiting(deps.storage.db.query, claimed, { effect, startedAt, connection: connections[0], now });
  }
  return { kind: "ended", outcome: "applied", connection: connections[0] };
}

/** The connections about whose standing nothing newer is known: no later event, and no later consent. */
async function withoutNewer(
  deps: Dependencies,
  claimed: ClaimedWebhook,
  live: readonly Connection[],
): Promise<readonly Connection[]> {
  if (await hasNewerStanding(deps.storage.db.query, claimed)) return [];
  // Providers tell whole seconds: one of the same second may well have come after the consent.
  const second = (time: Date) => Math.floor(time.getTime() / 1000);
  return live.filter((connection) => second(connection.consentedAt) <= second(claimed.eventAt));
}

async function resolve(
  deps: Dependencies,
  claimed: ClaimedWebhook,
  { reader, effect }: { reader: WebhookReader; effect: WebhookEffect },
): Promise<Result> {
  if (reader.resolve === undefined) return { kind: "hopeless", error: "not_supported" };
  const { providerEventId: eventId, type, providerReference } = claimed;
  const found = await reader.resolve({ eventId, type, providerReference, effect }, detachedCall(deps));
  if (found.effect.kind === "fetch") return { kind: "hopeless", error: "not_resolved" };
  await resolveWebhook(deps.storage.db.query, claimed, {
    type: found.type,
    effect: found.effect,
    providerReference: found.providerReference ?? providerReference,
    eventAt: found.occurredAt ?? claimed.eventAt,
    now: deps.clock.now(),
  });
  return { kind: "resolved" };
}

/** For a replay after the connector has learnt to read such bodies. */
async function readAgain(deps: Dependencies, claimed: ClaimedWebhook, reader: WebhookReader): Promise<Result> {
  const { connector, webhookId } = claimed;
  const now = deps.clock.now();
  const payload = await openWebhookPayload(
    deps.storage,
    { connector, webhookId },
    { actor: jobActor("webhooks"), now },
  );
  if (payload === undefined) return { kind: "hopeless", error: "payload_gone" };
  const request = readPayload(payload.text, payload.receivedAt);
  const events = await reader.read(request, detachedCall(deps));
  const bodyDigest = createHash("sha256").update(request.body).digest();
  const { receivedAt } = request;
  await storeWebhook(deps.storage, { connector, events, bodyDigest, payload: writePayload(request), receivedAt });
  return { kind: "ended", outcome: "reread" };
}

async function conclude(deps: Dependencies, claimed: ClaimedWebhook, result: Result): Promise<void> {
  const db = deps.storage.db.query;
  const now = deps.clock.now();
  switch (result.kind) {
    case "ended":
      await finishWebhook(db, claimed, { outcome: result.outcome, connection: result.connection, now });
      return countEnd(claimed.connector, result.outcome, now.getTime() - claimed.queuedAt.getTime());
    case "resolved":
      return countEnd(claimed.connector, "resolved");
    case "unknown_connection": {
      const waitedMs = now.getTime() - claimed.queuedAt.getTime();
      if (waitedMs >= unknownForMs && isOverAnyway(claimed)) {
        return await conclude(deps, claimed, { kind: "ended", outcome: "disconnected" });
      }
      if (waitedMs >= unknownForMs) return await bury(deps, claimed, "connection_unknown");
      countEnd(claimed.connector, "unknown_connection");
      const dueAt = new Date(now.getTime() + lookAgainAfterMs(waitedMs));
      // No failure of its own: it keeps all its attempts for when the connection is there.
      await postponeWebhook(db, claimed, { error: "connection_unknown", dueAt, attempts: claimed.attempts - 1 });
      return;
    }
    case "hopeless":
      return await bury(deps, claimed, result.error);
    default: {
      const impossible: never = result;
      throw new Error(`unreachable result ${String(impossible)}`);
    }
  }
}

/**
 * Whether the event says of a connection that is not here what is so. Providers tell us of users and consents that we ended there
 * ourselves, when nothing of them is left here: no fault, and nothing for an operator to mend.
 */
function isOverAnyway({ effect }: ClaimedWebhook): boolean {
  return effect?.kind === "consent_revoked";
}

async function bury(deps: Dependencies, claimed: ClaimedWebhook, error: string): Promise<void> {
  countEnd(claimed.connector, "dead");
  const facts = { connector: claimed.connector, id: claimed.webhookId, attempts: claimed.attempts, reason: error };
  deps.log.error(facts, "webhook event given up");
  await buryWebhook(deps.storage.db.query, claimed, { error, now: deps.clock.now() });
}

/** A stable word for the row; the error itself is in the log. */
function wordOf(error: unknown): string {
  if (error instanceof ProviderError) return `provider_${error.failure}`;
  if (error instanceof DomainError) return error.reason.toLowerCase();
  return "internal";
}
