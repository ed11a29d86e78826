import { request } from "undici";
import type { Logger } from "../../../platform/telemetry/logger.ts";
import type { Clock } from "../../../platform/time/clock.ts";
import { nextAttempt, type WebhookSchedule } from "../domain/webhook-schedule.ts";
import type { ReadMoment, SharedSettings } from "../sandbox-clock.ts";
import type { AttemptOutcome, Delivery, DeliveryStore } from "../storage/delivery-store.ts";

const answerTimeoutMsDefault = 10_000;
/** Longer than an attempt may take, so that nobody sends what is being sent. */
const leaseMs = 3 * answerTimeoutMsDefault;
/** Of the receiver's answer only the status matters. */
const answerBytesMax = 64 * 1024;

/** When and how one attempt is signed. */
export interface SigningMoment<Signature extends string> {
  /** With every skew asked for. */
  readonly now: Date;
  readonly signature: Signature;
}

/** What sending needs. */
export interface WebhookSending<Settings extends SharedSettings> {
  readonly deliveries: DeliveryStore;
  readonly moment: ReadMoment<Settings>;
  /** The true one: schedules know no skew. */
  readonly clock: Clock;
  readonly log: Pick<Logger, "warn">;
  readonly schedule: WebhookSchedule;
  readonly userAgent: string;
  /** How long the receiver may take; 10 s unless told, and at most that. */
  readonly answerTimeoutMs?: number;
  /** The provider's headers, signature included; made for each attempt, so that their time is that of the attempt. */
  headersOf(
    delivery: Delivery,
    signing: SigningMoment<Settings["webhookSignature"]>,
  ): Promise<Readonly<Record<string, string>>> | Readonly<Record<string, string>>;
  /** What the provider does about a receiver that had its last attempt. */
  onGivenUp?(delivery: Delivery): Promise<void>;
}

/** Sends what is due; how many were tried. Redirects are not followed; anything but 2xx goes again later. */
export async function sendDueWebhooks<Settings extends SharedSettings>(
  sending: WebhookSending<Settings>,
  signal: AbortSignal,
): Promise<number> {
  const now = sending.clock.now();
  const due = await sending.deliveries.claim(now, new Date(now.getTime() + leaseMs));
  await Promise.all(due.map((delivery) => attempt(sending, delivery, signal)));
  return due.length;
}

async function attempt<Settings extends SharedSettings>(
  sending: WebhookSending<Settings>,
  delivery: Delivery,
  signal: AbortSignal,
): Promise<void> {
  const { settings, now } = await sending.moment();
  const headers = await sending.headersOf(delivery, {
    now: new Date(now.getTime() + delivery.skewSeconds * 1_000),
    // Deliveries are only made with a signature of the same sandbox.
    signature: (delivery.signature ?? settings.webhookSignature) as Settings["webhookSignature"],
  });
  const within = AbortSignal.any([signal, AbortSignal.timeout(sending.answerTimeoutMs ?? answerTimeoutMsDefault)]);
  const status = await post(delivery, { "user-agent": sending.userAgent, ...headers }, within);
  const outcome = outcomeOf(sending, delivery, status, settings.webhookFirstPauseMs);
  if (outcome.state === "failed") {
    sending.log.warn({ deliveryId: delivery.deliveryId, attempts: delivery.attempts }, "webhook given up");
    await sending.onGivenUp?.(delivery);
  }
  await sending.deliveries.settle(delivery.deliveryId, outcome);
}

function outcomeOf(
  { schedule, clock }: Pick<WebhookSending<SharedSettings>, "schedule" | "clock">,
  delivery: Delivery,
  status: number | null,
  firstPauseMs: number,
): AttemptOutcome {
  if (status !== null && status >= 200 && status < 300) return { state: "delivered", status };
  const { attempts, createdAt } = delivery;
  const failed = { attempts, createdAt, firstPauseMs, now: clock.now(), random: Math.random() };
  const nextAttemptAt = nextAttempt(schedule, failed);
  return nextAttemptAt === undefined ? { state: "failed", status } : { state: "pending", status, nextAttemptAt };
}

async function post(
  delivery: Delivery,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<number | null> {
  try {
    const answer = await request(delivery.url, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: delivery.body,
      signal,
    });
    await answer.body.dump({ limit: answerBytesMax });
    return answer.statusCode;
  } catch {
    return null; // not delivered is the answer; the attempt is on record with its next time
  }
}
