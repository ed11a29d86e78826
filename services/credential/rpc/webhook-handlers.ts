import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { Credential, WebhookEventSchema } from "../../../gen/es/paymesh/credential/v1/credential_pb.js";
import { DomainError } from "../../platform/errors/domain-error.ts";
import { isUuid } from "../../platform/ids/uuidv7.ts";
import type { Handlers } from "../../platform/rpc/service-implementation.ts";
import type { Actor } from "../domain/audit.ts";
import type { Dependencies } from "../flows/dependencies.ts";
import {
  findWebhook,
  listWebhooks,
  replayDeadWebhooks,
  replayWebhook,
  type WebhookEventSummary,
} from "../storage/webhook-admin-store.ts";
import type { HandlerParts } from "./connection-handlers.ts";
import { callerOf, pageOf, tokenAfter } from "./request-parts.ts";

const replayMax = 1_000;
const states = ["queued", "processing", "done", "dead"] as const;

type WebhookMethods = "listWebhookEvents" | "replayWebhookEvent" | "replayDeadWebhookEvents";

/** What operators do about webhooks. */
export function webhookHandlers({ deps }: HandlerParts): Pick<Handlers<typeof Credential>, WebhookMethods> {
  return {
    listWebhookEvents: async (request) => {
      const { limit, after } = pageOf(request);
      const rows = await listWebhooks(deps.storage.db.query, {
        connector: request.provider === "" ? undefined : request.provider,
        state: stateOf(request.state),
        after: after && { receivedAt: after.since, webhookId: after.connectionId },
        limit: limit + 1,
      });
      const shown = rows.slice(0, limit);
      const nextPageToken = tokenAfter(rows, shown, (last) => ({ at: last.receivedAt, id: last.webhookId }));
      return { events: shown.map(eventMessage), nextPageToken };
    },
    replayWebhookEvent: async (request, ctx) => replayOne(deps, request.id.toLowerCase(), callerOf(ctx).actor),
    replayDeadWebhookEvents: async (request, ctx) => {
      const { actor } = callerOf(ctx);
      const work = { connector: request.provider, actor, now: deps.clock.now(), limit: replayMax };
      return { replayed: await replayDeadWebhooks(deps.storage, work) };
    },
  };
}

async function replayOne(
  deps: Dependencies,
  webhookId: string,
  actor: Actor,
): Promise<MessageInitShape<typeof WebhookEventSchema>> {
  if (!isUuid(webhookId)) throw new DomainError("WEBHOOK_EVENT_NOT_FOUND");
  const replayed = await replayWebhook(deps.storage, { webhookId, actor, now: deps.clock.now() });
  if (replayed !== undefined) return eventMessage(replayed);
  const found = await findWebhook(deps.storage.db.query, webhookId);
  throw new DomainError(found === undefined ? "WEBHOOK_EVENT_NOT_FOUND" : "WEBHOOK_EVENT_UNDER_WAY");
}

function stateOf(word: string): (typeof states)[number] | undefined {
  if (word === "") return undefined;
  const state = states.find((each) => each === word);
  if (state === undefined)
    throw new DomainError("INVALID_ARGUMENT", { why: `state must be one of ${states.join(", ")}` });
  return state;
}

function eventMessage(event: WebhookEventSummary): MessageInitShape<typeof WebhookEventSchema> {
  const { occurredAt, dueAt, finishedAt } = event;
  return {
    id: event.webhookId,
    provider: event.connector,
    providerEventId: event.providerEventId ?? "",
    type: event.type,
    effect: event.effect,
    state: event.state,
    outcome: event.outcome,
    attempts: event.attempts,
    repeats: event.repeats,
    connectionId: event.connectionId ?? "",
    ...(occurredAt === undefined ? {} : { occurredAt: timestampFromDate(occurredAt) }),
    receivedAt: timestampFromDate(event.receivedAt),
    ...(dueAt === undefined ? {} : { dueAt: timestampFromDate(dueAt) }),
    ...(finishedAt === undefined ? {} : { finishedAt: timestampFromDate(finishedAt) }),
    error: event.error,
  };
}
