import { randomUUID } from "node:crypto";
import type { Database } from "../../../platform/db/open-database.ts";
import type { EventType } from "../domain/event-body.ts";
import type { WiseTables } from "./tables.ts";

/** Whose events a subscription is for. */
export interface SubscriptionScope {
  readonly domain: "profile" | "application";
  /** The profile's id, or the application's key. */
  readonly scopeId: string;
}

/** Where events of one type are sent. */
export interface Subscription extends SubscriptionScope {
  readonly subscriptionId: string;
  readonly name: string;
  readonly triggerOn: string;
  readonly version: string;
  readonly url: string;
  readonly createdAt: Date;
}

const perScopeMax = 100;

/** Subscriptions, at most 100 a scope. */
export interface SubscriptionStore {
  /** Undefined when the scope has its hundred. */
  add(subscription: Omit<Subscription, "subscriptionId">): Promise<Subscription | undefined>;
  list(scope: SubscriptionScope): Promise<readonly Subscription[]>;
  find(scope: SubscriptionScope, subscriptionId: string): Promise<Subscription | undefined>;
  remove(scope: SubscriptionScope, subscriptionId: string): Promise<boolean>;
  /** Those that want to hear of this event of this profile. */
  listFor(event: { type: EventType; profileId: string }): Promise<readonly Subscription[]>;
  clear(): Promise<void>;
}

const columns = [
  "subscription_id as subscriptionId",
  "name",
  "domain",
  "scope_id as scopeId",
  "trigger_on as triggerOn",
  "version",
  "url",
  "created_at as createdAt",
] as const;

/** Opens the store on the sandbox's schema. */
export function createSubscriptionStore(db: Database<WiseTables>): SubscriptionStore {
  const { query } = db;
  const within = ({ domain, scopeId }: SubscriptionScope) =>
    query.selectFrom("subscriptions").select(columns).where("domain", "=", domain).where("scope_id", "=", scopeId);
  return {
    async add(subscription) {
      const { domain, scopeId, triggerOn, createdAt, name, version, url } = subscription;
      if ((await within(subscription).limit(perScopeMax).execute()).length >= perScopeMax) return undefined;
      return await query
        .insertInto("subscriptions")
        .values({
          subscription_id: randomUUID(),
          name,
          domain,
          scope_id: scopeId,
          trigger_on: triggerOn,
          version,
          url,
          created_at: createdAt,
        })
        .returning(columns)
        .executeTakeFirstOrThrow();
    },
    list: (scope) => within(scope).orderBy("created_at").limit(perScopeMax).execute(),
    find: (scope, id) => within(scope).where("subscription_id", "=", id).executeTakeFirst(),
    async remove({ domain, scopeId }, id) {
      const removed = await query
        .deleteFrom("subscriptions")
        .where("domain", "=", domain)
        .where("scope_id", "=", scopeId)
        .where("subscription_id", "=", id)
        .executeTakeFirst();
      return removed.numDeletedRows === 1n;
    },
    listFor: ({ type, profileId }) =>
      query
        .selectFrom("subscriptions")
        .select(columns)
        .where("trigger_on", "=", type)
        .where((each) =>
          each.or([each("domain", "=", "application"), each.and({ domain: "profile", scope_id: profileId })]),
        )
        .limit(perScopeMax)
        .execute(),
    async clear() {
      await query.deleteFrom("subscriptions").execute();
    },
  };
}
