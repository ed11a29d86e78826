import type { Generated, GeneratedAlways, JSONColumnType } from "kysely";
import type { AccountKind } from "../../kit/domain/household.ts";
import type { KitTables } from "../../kit/storage/kit-tables.ts";
import type { ConnectRequest, EmailOptions } from "../domain/connect-request.ts";
import type { CustomerDetails, CustomerType } from "../domain/customer.ts";
import type { SubscribedEvent, SubscriptionStatus } from "../domain/subscription.ts";

/** The sandbox's tables, as the migrations make them. */
export interface MastercardTables extends KitTables {
  partner: PartnerRow;
  app_tokens: { token_hash: Buffer; expires_at: Date };
  customers: CustomerRow;
  connect_sessions: SessionRow;
  institution_logins: LoginRow;
  accounts: AccountRow;
  posted_transactions: PostedRow;
  shadow_transactions: { account_id: bigint; entry_key: string };
  subscriptions: SubscriptionRow;
}

interface PartnerRow {
  one: Generated<boolean>;
  sealed_secret: Buffer;
  sealed_former_secret: Buffer | null;
  former_until: Date | null;
  failed_logins: Generated<number>;
  locked: Generated<boolean>;
}

/** A row of `customers`. */
export interface CustomerRow {
  customer_id: GeneratedAlways<bigint>;
  username: string;
  type: CustomerType;
  details: JSONColumnType<CustomerDetails>;
  created_at: Date;
  modified_at: Date;
  deleted_at: Date | null;
}

/** Where a person stands on the way through a Connect link. */
export type ConnectStage = "open" | "started" | "signed_in" | "done" | "exited";

/** A row of `connect_sessions`. */
export interface SessionRow {
  session_id: string;
  token_hash: Buffer;
  customer_id: bigint;
  request: JSONColumnType<ConnectRequest>;
  fix_login_id: bigint | null;
  email: JSONColumnType<EmailOptions> | null;
  stage: ConnectStage;
  attempts: Generated<number>;
  institution_id: bigint | null;
  username: string | null;
  created_at: Date;
  expires_at: Date;
}

/** A row of `institution_logins`. */
export interface LoginRow {
  login_id: GeneratedAlways<bigint>;
  customer_id: bigint;
  institution_id: bigint;
  username: string;
  oauth: boolean;
  authorized_at: Date;
  authorization_ends_at: Date | null;
  expiry_told: Generated<boolean>;
  status_code: Generated<number>;
  removed_at: Date | null;
}

/** A row of `accounts`. */
export interface AccountRow {
  account_id: GeneratedAlways<bigint>;
  login_id: bigint;
  customer_id: bigint;
  kind: AccountKind;
  created_at: Date;
  history_days: Generated<number>;
  status_code: number | null;
  aggregated_at: Date | null;
  attempted_at: Date | null;
  aggregation_due_at: Date;
  removed_at: Date | null;
}

/** A row of `posted_transactions`. */
export interface PostedRow {
  posted_id: string;
  account_id: bigint;
  at: Date;
  minor: bigint;
  description: string;
  pending: boolean;
}

/** A row of `subscriptions`. */
export interface SubscriptionRow {
  subscription_id: string;
  url: string | null;
  events: JSONColumnType<SubscribedEvent[]>;
  status: SubscriptionStatus;
  created_at: Date;
  updated_at: Date;
}
