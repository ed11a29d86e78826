import { randomUUID } from "node:crypto";
import type { NewDelivery } from "../../kit/storage/delivery-store.ts";
import type { ConnectRequest } from "./connect-request.ts";

/** What a person's way through Connect tells the partner, step by step. */
export const connectEventTypes = [
  "ping",
  "started",
  "invalidCredentials",
  "unableToConnect",
  "discovered",
  "adding",
  "added",
  "processing",
  "done",
  "credentialsUpdated",
  "accountsDeleted",
] as const;

/** One of {@link connectEventTypes}. */
export type ConnectEventType = (typeof connectEventTypes)[number];

/** A step and what it tells. */
export interface ConnectEvent {
  readonly type: ConnectEventType;
  readonly payload: Readonly<Record<string, unknown>>;
  /** Of an earlier event, to send it once more. */
  readonly eventId?: string | undefined;
  readonly signature?: string | undefined;
}

/** The session whose partner is told. */
export interface ToldSession {
  readonly sessionId: string;
  readonly customerId: bigint;
  readonly request: ConnectRequest;
}

/** Begins the scheme of a Connect webhook; the session's id follows, whose extra headers go along. */
export const connectScheme = "connect:";

/** The webhook of a step; undefined when the session has no address for them. */
export function connectDelivery(session: ToldSession, event: ConnectEvent): NewDelivery | undefined {
  const { webhook } = session.request;
  if (webhook === null) return undefined;
  const eventId = event.eventId ?? randomUUID();
  return {
    subject: String(session.customerId),
    eventId,
    eventType: event.type,
    url: webhook,
    body: connectBody(session, event, eventId),
    scheme: `${connectScheme}${session.sessionId}`,
    signature: event.signature,
  };
}

/** The JSON of a Connect webhook, as it is sent and signed. */
export function connectBody(session: Omit<ToldSession, "sessionId">, event: ConnectEvent, eventId: string): string {
  const { consumerId, webhookData } = session.request;
  return JSON.stringify({
    customerId: String(session.customerId),
    ...(consumerId !== null && { consumerId }),
    eventType: event.type,
    eventId,
    payload: event.payload,
    ...(webhookData !== null && { webhookData }),
  });
}
