import { uuidv7 } from "../../platform/ids/uuidv7.ts";
import type { Clock } from "../../platform/time/clock.ts";
import type { ReadMoment } from "../kit/sandbox-clock.ts";
import type { DeliveryStore, NewDelivery } from "../kit/storage/delivery-store.ts";
import type { Settings, SignatureMode, WebhookMode } from "./domain/settings.ts";
import type { AsyncTask } from "./storage/task-store.ts";

/** What the sandbox tells. */
export const eventTypes = ["transaction.created", "account.updated", "balance.updated", "consent.revoked"] as const;

/** One of {@link eventTypes}. */
export type EventType = (typeof eventTypes)[number];

/** An event about a connection. */
export interface SandboxEvent {
  readonly type: EventType;
  readonly credentialsId: string;
  readonly accountId?: string | undefined;
  readonly transactionId?: string | undefined;
  /** Of an earlier event, to send it once more. */
  readonly eventId?: string | undefined;
}

/** Departures from the settings, for one event. */
export interface EventRoute {
  readonly url?: string | undefined;
  readonly mode?: WebhookMode | undefined;
  readonly signature?: SignatureMode | undefined;
}

/** Puts webhooks on their way. */
export interface Events {
  /** The event's id; undefined when no address is set, so that nobody is told. */
  send(event: SandboxEvent, route?: EventRoute): Promise<string | undefined>;
}

/** Makes the sender's front; the sender itself is a job. `clock` is the true one: schedules know no skew. */
export function createEvents(deps: {
  readonly deliveries: DeliveryStore;
  readonly moment: ReadMoment<Settings>;
  readonly clock: Clock;
  readonly defaults: { readonly url: string | null; readonly mode: WebhookMode };
}): Events {
  return {
    async send(event, route = {}) {
      const { settings, now } = await deps.moment();
      const url = route.url ?? settings.webhookUrl ?? deps.defaults.url;
      if (url === null) return undefined;
      const eventId = event.eventId ?? uuidv7(now.getTime());
      const delivery = {
        subject: event.credentialsId,
        eventId,
        eventType: event.type,
        url,
        scheme: route.mode ?? settings.webhookMode ?? deps.defaults.mode,
        signature: route.signature,
        body: JSON.stringify({
          type: event.type,
          event_id: eventId,
          event_version: 1,
          event_timestamp: now.toISOString(),
          credentials_id: event.credentialsId,
          account_id: event.accountId,
          transaction_id: event.transactionId,
        }),
      };
      await deps.deliveries.add(delivery, deps.clock.now());
      return eventId;
    },
  };
}

/** The webhook that tells that an asynchronous call is over; the results are not in it. Null when nobody asked for one. */
export function taskWebhook(task: AsyncTask, status: "Succeeded" | "Failed", origin: string): NewDelivery | null {
  if (task.webhookUri === null) return null;
  return {
    subject: task.credentialsId,
    eventId: task.taskId,
    eventType: "task.completed",
    url: task.webhookUri,
    scheme: "unsigned",
    body: JSON.stringify({
      request_timestamp: task.createdAt.toISOString(),
      request_uri: `${origin}${task.request.path}`,
      credentials_id: task.credentialsId,
      task_id: task.taskId,
      status,
      results_uri: resultsUri(origin, task.taskId),
    }),
  };
}

/** Where the results of an asynchronous call are fetched. */
export function resultsUri(origin: string, taskId: string): string {
  return `${origin}/data/v1/results/${taskId}`;
}
