import type { ProviderCall } from "./connector.ts";

/** Narrows a kind of notification to some of its values, or leaves some out. */
export interface NotificationCondition {
  readonly subscribeFor: string;
  readonly includes?: readonly string[] | undefined;
  readonly excludes?: readonly string[] | undefined;
}

/** A kind of notification to be sent. */
export interface WantedNotification {
  readonly name: string;
  /** In place of the subscription's. */
  readonly url?: string | undefined;
  readonly condition?: NotificationCondition | undefined;
}

/** What a subscription is to say. */
export interface SubscriptionContents {
  /** Absent: this installation's own webhook. */
  readonly url?: string | undefined;
  /** Empty: every kind the connector acts on. */
  readonly events: readonly WantedNotification[];
}

/** A subscription as the provider tells it; `status` is its own word. */
export interface NotificationSubscription {
  readonly subscriptionId: string;
  readonly url?: string | undefined;
  readonly status: string;
  readonly events: readonly (WantedNotification & { readonly eventId: string; readonly status: string })[];
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

/**
 * Notifications that have to be subscribed to, for the whole installation. Everything fails with `ProviderError`: `not_found` for an
 * unknown subscription, `forbidden` for contents the provider refuses.
 */
export interface NotificationConnector {
  /** The kinds the connector acts on. */
  readonly kinds: readonly string[];
  /** Whether there is a webhook of this installation to send them to. */
  readonly hasOwnUrl: boolean;
  subscribe(contents: SubscriptionContents, call: ProviderCall): Promise<NotificationSubscription>;
  /** At most 100 of them, and how many there are. */
  list(call: ProviderCall): Promise<{ total: number; subscriptions: readonly NotificationSubscription[] }>;
  find(subscriptionId: string, call: ProviderCall): Promise<NotificationSubscription>;
  replace(subscriptionId: string, contents: SubscriptionContents, call: ProviderCall): Promise<void>;
  setStatus(subscriptionId: string, status: "active" | "inactive", call: ProviderCall): Promise<void>;
  remove(subscriptionId: string, call: ProviderCall): Promise<void>;
}
