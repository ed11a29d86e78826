/** What notifications may tell of. */
export const notificationEvents = [
  {
    name: "authorization.accesstoken.expiry",
    description: "An authorization ends soon",
    conditionalSubscription: { applicable: true, fields: "institutionId,customerId", mandatory: false },
  },
  {
    name: "manage.txpush.account.created",
    description: "Accounts were created",
    conditionalSubscription: { applicable: true, fields: "accountId,customerId", mandatory: false },
  },
  {
    name: "mastercard.openbanking.customer.consent",
    description: "Consent of a customer was given or taken back",
    conditionalSubscription: { applicable: false },
  },
] as const;

/** The name of a notification. */
export type NotificationName = (typeof notificationEvents)[number]["name"];

/** Narrows an event to some institutions, customers or accounts. */
export interface EventCondition {
  readonly subscribeFor: string;
  readonly includes?: readonly string[] | undefined;
  readonly excludes?: readonly string[] | undefined;
}

/** An event somebody subscribed to. */
export interface SubscribedEvent {
  readonly webhookEventId: string;
  readonly name: NotificationName;
  /** Instead of the subscription's. */
  readonly url?: string | undefined;
  readonly condition?: EventCondition | undefined;
  /** Absent: as its subscription's. */
  readonly status?: SubscriptionStatus | undefined;
}

/** Whether its notifications are sent. The answer that makes one calls it `pending`, as the provider does. */
export type SubscriptionStatus = "active" | "inactive";

/** A subscription to notifications. */
export interface Subscription {
  readonly subscriptionId: string;
  readonly url: string | null;
  readonly events: readonly SubscribedEvent[];
  readonly status: SubscriptionStatus;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

/** Something to be told to who subscribed to it. Ids as in the API. */
export interface Notification {
  readonly name: NotificationName;
  readonly customerId: string;
  readonly institutionId: string;
  readonly institutionLoginId: string;
  readonly accountIds: readonly string[];
  /** Of a consent: given or taken back. */
  readonly status?: "granted" | "revoked" | undefined;
  readonly authorizationEndDate?: string | undefined;
}

/** Whether a condition lets a notification through; of several accounts one is enough. */
export function isWanted(condition: EventCondition | undefined, notification: Notification): boolean {
  if (condition === undefined) return true;
  const values = valuesOf(condition.subscribeFor, notification);
  const { includes, excludes } = condition;
  if (includes !== undefined && !values.some((value) => includes.includes(value))) return false;
  return excludes === undefined || values.some((value) => !excludes.includes(value));
}

function valuesOf(field: string, notification: Notification): readonly string[] {
  switch (field) {
    case "institutionId":
      return [notification.institutionId];
    case "customerId":
      return [notification.customerId];
    case "accountId":
      return notification.accountIds;
    default:
      return [];
  }
}
