import type { Clock } from "../../../platform/time/clock.ts";
import type { ControlStore } from "../../kit/storage/control-store.ts";
import type { DeliveryStore } from "../../kit/storage/delivery-store.ts";
import type { WebhookKeys } from "../../kit/webhook-keys.ts";
import type { Settings } from "../domain/settings.ts";
import type { FeedStore } from "../storage/feed-store.ts";
import type { ItemStore } from "../storage/item-store.ts";
import type { LinkStore } from "../storage/link-store.ts";
import type { Tokens } from "../tokens.ts";

/** What the sandbox's routes work with. */
export interface ApiDeps {
  readonly items: ItemStore;
  readonly feed: FeedStore;
  readonly links: LinkStore;
  readonly keys: WebhookKeys;
  readonly deliveries: DeliveryStore;
  readonly control: ControlStore<Settings>;
  readonly tokens: Tokens;
  readonly clock: Clock;
  readonly client: { readonly id: string; readonly secret: string };
  readonly controlKey: string;
  /** Where browsers reach the sandbox. */
  readonly origin: string;
  /** Where Link may end: exact addresses, or any of this machine when the list is empty. */
  readonly redirectUris: readonly string[];
  /** From linking to the first transactions. */
  readonly initialUpdateMs: number;
  readonly refreshMs: number;
  /** Tells the operator of a failure that callers see as INTERNAL_SERVER_ERROR. */
  readonly logError: (requestId: string, cause: unknown) => void;
}
