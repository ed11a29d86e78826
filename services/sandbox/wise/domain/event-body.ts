import { z } from "zod";

/** Events an application can subscribe to, as far as this sandbox sends them. */
export const eventTypes = [
  "balances#credit",
  "balances#update",
  "balances#account-state-change",
  "transfers#state-change",
] as const;

/** One of {@link eventTypes}. */
export const eventType = z.enum(eventTypes);

/** One of {@link eventTypes}. */
export type EventType = z.infer<typeof eventType>;

/** Which kinds of subscription an event knows. */
export function isForApplications(type: EventType): boolean {
  return type !== "balances#credit";
}

/** Which kinds of subscription an event knows. */
export function isForProfiles(type: EventType): boolean {
  return type !== "balances#account-state-change";
}

/** What happened. Amounts in major units, as Wise writes them; `balanceId` or `transferId` says to what. */
export interface Happening {
  readonly type: EventType;
  readonly profileId: number;
  readonly balanceId: number;
  readonly transferId: number;
  readonly amount: number;
  readonly currency: string;
  readonly balanceAfter: number;
  readonly direction: "credit" | "debit";
  readonly currentState: string;
  readonly previousState: string | null;
  readonly occurredAt: Date;
}

/** The `data` of an event. */
export function eventData(happening: Happening): object {
  const { type, profileId, amount, currency } = happening;
  const occurred_at = seconds(happening.occurredAt);
  const balance = { id: happening.balanceId, profile_id: profileId, type: "balance-account" };
  switch (type) {
    case "balances#credit":
      return {
        resource: balance,
        amount,
        currency,
        post_transaction_balance_amount: happening.balanceAfter,
        transaction_type: "credit",
        occurred_at,
      };
    case "balances#update":
      return {
        resource: balance,
        amount,
        balance_id: happening.balanceId,
        channel_name: "TRANSFER",
        currency,
        occurred_at,
        post_transaction_balance_amount: happening.balanceAfter,
        step_id: Number(happening.occurredAt.getTime() % 100_000_000),
        transaction_type: happening.direction,
        transfer_reference: `BNK-${happening.transferId}`,
      };
    case "balances#account-state-change":
      return {
        resource: balance,
        current_state: happening.currentState,
        previous_state: happening.previousState,
        occurred_at,
      };
    case "transfers#state-change":
      return {
        resource: { id: happening.transferId, profile_id: profileId, account_id: 0, type: "transfer" },
        current_state: happening.currentState,
        previous_state: happening.previousState,
        occurred_at,
      };
    default: {
      const impossible: never = type;
      throw new Error(`unreachable event ${String(impossible)}`);
    }
  }
}

/** The whole body. */
export function eventBody(event: {
  readonly type: EventType;
  readonly data: object;
  readonly subscriptionId: string;
  readonly version: string;
  readonly sentAt: Date;
}): string {
  return JSON.stringify({
    data: event.data,
    subscription_id: event.subscriptionId,
    event_type: event.type,
    schema_version: event.version,
    sent_at: seconds(event.sentAt),
  });
}

function seconds(time: Date): string {
  return `${time.toISOString().slice(0, 19)}Z`;
}
