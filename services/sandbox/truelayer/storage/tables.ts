import type { Generated, JSONColumnType } from "kysely";
import type { KitTables } from "../../kit/storage/kit-tables.ts";
import type { AuthRequest } from "../domain/auth-request.ts";
import type { Resource } from "../domain/resource.ts";

/** The sandbox's tables, as the migrations make them. */
export interface TrueLayerTables extends KitTables {
  auth_links: LinkRow;
  connections: ConnectionRow;
  authorization_codes: CodeRow;
  posted_transactions: PostedRow;
  async_tasks: TaskRow;
}

/** Where a person stands on the way through an auth link. */
export type LinkStage = "open" | "bank_chosen" | "signed_in" | "granted" | "denied";

interface LinkRow {
  link_id: string;
  link_hash: Buffer;
  request: JSONColumnType<AuthRequest>;
  credentials_id: string | null;
  stage: LinkStage;
  attempts: Generated<number>;
  provider_id: string | null;
  username: string | null;
  created_at: Date;
  expires_at: Date;
}

/** `pending` until its first code is exchanged. */
export type ConnectionState = "pending" | "active" | "revoked" | "deleted";

/** A row of `connections`. */
export interface ConnectionRow {
  credentials_id: string;
  provider_id: string;
  username: string;
  scopes: string[];
  state: ConnectionState;
  access_token_hash: Buffer | null;
  access_expires_at: Date | null;
  refresh_token_hash: Buffer | null;
  refresh_count: Generated<number>;
  authenticated_at: Date;
  consent_created_at: Date;
  consent_updated_at: Date;
  consent_expires_at: Date;
}

interface CodeRow {
  code_hash: Buffer;
  credentials_id: string;
  redirect_uri: string;
  scopes: string[];
  code_challenge: string | null;
  challenge_method: string | null;
  expires_at: Date;
  used_at: Date | null;
}

interface PostedRow {
  posted_id: string;
  account_id: string;
  at: Date;
  minor: bigint;
  description: string;
  merchant: string | null;
  category: string;
  pending: boolean;
}

/** What an asynchronous call asked to read. */
export interface TaskRequest {
  readonly resource: Resource;
  readonly accountId: string | null;
  readonly query: Readonly<Record<string, string>>;
  /** As it was called, without the origin. */
  readonly path: string;
}

/** `Queued` and `Running` are under way. */
export type TaskStatus = "Queued" | "Running" | "Succeeded" | "Failed";

interface TaskRow {
  task_id: string;
  credentials_id: string;
  request: JSONColumnType<TaskRequest>;
  webhook_uri: string | null;
  status: TaskStatus;
  answer_status: number | null;
  answer: JSONColumnType<object> | null;
  created_at: Date;
  due_at: Date;
}
