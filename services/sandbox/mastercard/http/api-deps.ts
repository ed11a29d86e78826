import type { Clock } from "../../../platform/time/clock.ts";
import type { ReadMoment } from "../../kit/sandbox-clock.ts";
import type { ControlStore } from "../../kit/storage/control-store.ts";
import type { DeliveryStore } from "../../kit/storage/delivery-store.ts";
import type { WebhookKeys } from "../../kit/webhook-keys.ts";
import type { AccountDesk } from "../account-desk.ts";
import type { ConnectFlow } from "../connect-flow.ts";
import type { Settings } from "../domain/settings.ts";
import type { Partner } from "../partner.ts";
import type { AccountStore } from "../storage/account-store.ts";
import type { ConnectStore } from "../storage/connect-store.ts";
import type { CustomerStore } from "../storage/customer-store.ts";
import type { LoginStore } from "../storage/login-store.ts";
import type { PartnerStore } from "../storage/partner-store.ts";
import type { PostedStore } from "../storage/posted-store.ts";
import type { SubscriptionStore } from "../storage/subscription-store.ts";

/** What the sandbox's routes work with. */
export interface ApiDeps {
  readonly partner: Partner;
  readonly partners: PartnerStore;
  readonly partnerId: string;
  readonly customers: CustomerStore;
  readonly sessions: ConnectStore;
  readonly logins: LoginStore;
  readonly accounts: AccountStore;
  readonly posted: PostedStore;
  readonly subscriptions: SubscriptionStore;
  readonly control: ControlStore<Settings>;
  readonly deliveries: DeliveryStore;
  readonly keys: WebhookKeys;
  readonly flow: ConnectFlow;
  readonly desk: AccountDesk;
  readonly moment: ReadMoment<Settings>;
  readonly clock: Clock;
  readonly controlKey: string;
  readonly origin: string;
  /** Where Connect may end, without queries; any address of this machine when the list is empty. */
  readonly redirectUris: readonly string[];
}
