import type { Generated } from "kysely";
import type { KitTables } from "../../kit/storage/kit-tables.ts";
import type { LineKind } from "../domain/town.ts";

/** The sandbox's tables, as the migrations make them. */
export interface WiseTables extends KitTables {
  authorizations: AuthorizationRow;
  authorization_codes: CodeRow;
  grants: GrantRow;
  access_tokens: { token_hash: Buffer; grant_id: string | null; expires_at: Date };
  approvals: { approval_id: string; grant_id: string; expires_at: Date; used_at: Date | null };
  approval_key: { one: Generated<boolean>; public_key: string };
  subscriptions: SubscriptionRow;
  posted_transactions: PostedRow;
}

/** Where a person stands on the authorization page. */
export type AuthorizationStage = "open" | "signed_in" | "granted" | "denied";

interface AuthorizationRow {
  authorization_id: string;
  redirect_uri: string;
  state: string | null;
  stage: AuthorizationStage;
  attempts: Generated<number>;
  username: string | null;
  expires_at: Date;
}

interface CodeRow {
  code_hash: Buffer;
  redirect_uri: string;
  username: string;
  profile_id: bigint;
  expires_at: Date;
  used_at: Date | null;
}

interface GrantRow {
  grant_id: string;
  username: string;
  profile_id: bigint;
  state: "active" | "reclaimed";
  refresh_token_hash: Buffer;
  refresh_expires_at: Date;
  refresh_count: Generated<number>;
  authenticated_until: Date | null;
  created_at: Date;
}

interface SubscriptionRow {
  subscription_id: string;
  name: string;
  domain: "profile" | "application";
  scope_id: string;
  trigger_on: string;
  version: string;
  url: string;
  created_at: Date;
}

interface PostedRow {
  posted_id: string;
  balance_id: bigint;
  at: Date;
  minor: bigint;
  description: string;
  kind: LineKind;
  pending: boolean;
}
