import type { Generated, JSONColumnType } from "kysely";
import type { AccountKind } from "../../kit/domain/household.ts";
import type { KitTables } from "../../kit/storage/kit-tables.ts";
import type { JobStep } from "../domain/job.ts";

/** The sandbox's tables, as the migrations make them. */
export interface BasiqTables extends KitTables {
  users: UserRow;
  access_tokens: {
    token_hash: Buffer;
    scope: "SERVER_ACCESS" | "CLIENT_ACCESS";
    user_id: string | null;
    created_at: Date;
    expires_at: Date;
  };
  auth_links: { user_id: string; link_hash: Buffer; sealed_link: Buffer; mobile: string | null; expires_at: Date };
  consents: ConsentRow;
  connections: ConnectionRow;
  jobs: JobRow;
  added_transactions: AddedRow;
  visits: VisitRow;
  events: EventRow;
  webhook_endpoints: EndpointRow;
}

interface UserRow {
  user_id: string;
  email: string | null;
  mobile: string | null;
  first_name: string | null;
  last_name: string | null;
  fail_step: string | null;
  fail_code: string | null;
  created_at: Date;
}

/** A row of `consents`. */
export interface ConsentRow {
  consent_id: string;
  user_id: string;
  status: "active" | "expired" | "revoked";
  created_at: Date;
  updated_at: Date;
  expires_at: Date;
  warned: Generated<boolean>;
}

/** A row of `connections`. */
export interface ConnectionRow {
  connection_id: string;
  user_id: string;
  institution_id: string;
  username: string;
  account_kinds: AccountKind[];
  status: "pending" | "active" | "invalid";
  created_at: Date;
  last_used_at: Date | null;
  accounts_at: Date | null;
  fetched_at: Date | null;
  refreshes: Generated<number>;
  refresh_due_at: Date | null;
}

/** A row of `jobs`. */
export interface JobRow {
  job_id: string;
  user_id: string;
  connection_id: string;
  steps: JSONColumnType<JobStep[]>;
  created_at: Date;
  updated_at: Date;
  due_at: Date | null;
}

interface AddedRow {
  added_id: string;
  connection_id: string;
  account_kind: AccountKind;
  at: Date;
  minor: bigint;
  description: string;
  pending: boolean;
}

interface VisitRow {
  visit_hash: Buffer;
  user_id: string;
  action: "connect" | "reauthorise" | "extend";
  state: string;
  institution_id: string | null;
  connection_id: string | null;
  username: string | null;
  attempts: Generated<number>;
  stage: "open" | "signed_in" | "over";
  expires_at: Date;
}

interface EventRow {
  event_id: string;
  user_id: string;
  entity: string;
  event_type: string;
  data_path: string;
  data: JSONColumnType<object>;
  created_at: Date;
}

interface EndpointRow {
  webhook_id: string;
  name: string;
  description: string;
  url: string;
  subscribed_events: string[];
  status: "active" | "disabled";
  sealed_secret: Buffer;
  created_at: Date;
}
