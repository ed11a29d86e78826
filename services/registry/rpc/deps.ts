import type { UrlRules } from "../domain/public-url.ts";
import type { AccessKeyStore } from "../storage/access-key-store.ts";
import type { BankKeyBox } from "../storage/bank-key-box.ts";
import type { BankStore } from "../storage/bank-store.ts";
import type { ChangeReader } from "../storage/change-reader.ts";
import type { MerchantStore } from "../storage/merchant-store.ts";
import type { OauthClientStore } from "../storage/oauth-client-store.ts";
import type { ProbeStore } from "../storage/probe-store.ts";
import type { ChangeFeed } from "../watch/change-feed.ts";

/** What the Registry's handlers work with. */
export interface RegistryDeps {
  readonly banks: BankStore;
  readonly probes: ProbeStore;
  readonly merchants: MerchantStore;
  readonly clients: OauthClientStore;
  readonly keys: AccessKeyStore;
  readonly reader: ChangeReader;
  readonly feed: ChangeFeed;
  readonly box: BankKeyBox;
  /** API_KEY_PEPPER. */
  readonly pepper: string;
  /** What URLs and chosen secrets have to meet: PAYMESH_ENV. */
  readonly rules: UrlRules;
}
