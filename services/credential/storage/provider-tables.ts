import type { Generated } from "kysely";

/** The columns that say whose a row is; they come first in every primary key. */
export interface OwnedRow {
  tenant: string;
  user_id: string;
}

/** An account of a connection as stored. */
export interface ProviderAccountRow extends OwnedRow {
  connection_id: string;
  account_id: string;
  position: Generated<number>;
  account_type: string;
  display_name: string;
  masked_number: string;
  currency: string;
  balance_minor: bigint | null;
  available_minor: bigint | null;
  as_of: Date | null;
  absent_since: Generated<Date | null>;
  updated_at: Date;
}

/** A transaction as stored. */
export interface ProviderTransactionRow extends OwnedRow {
  connection_id: string;
  transaction_id: string;
  account_id: string;
  amount_minor: bigint;
  currency: string;
  description: string;
  status: "pending" | "posted";
  posted_at: Date;
  transacted_at: Date | null;
  category: string | null;
  pending_transaction_id: string | null;
  created_at: Date;
  updated_at: Date;
}

/** How far a connection's transactions are known, as stored. */
export interface SyncStateRow extends OwnedRow {
  connection_id: string;
  cursor: string;
  generation: number;
  backfilled_from: Date;
  updated_at: Date;
}

/** A run as stored. */
export interface SyncRunRow extends OwnedRow {
  run_id: string;
  connection_id: string;
  connector: string;
  kind: "transactions" | "accounts" | "tokens";
  trigger: "connect" | "manual" | "webhook" | "schedule";
  state: "queued" | "running" | "succeeded" | "failed";
  requested_by: string;
  requested_at: Date;
  due_at: Date;
  started_at: Date | null;
  finished_at: Date | null;
  holder: string | null;
  lease_until: Date | null;
  attempts: Generated<number>;
  pages: Generated<number>;
  added: Generated<number>;
  changed: Generated<number>;
  removed: Generated<number>;
  accounts: Generated<number | null>;
  error: Generated<string>;
}

/** A webhook's event as stored. */
export interface WebhookEventRow {
  connector: string;
  webhook_id: string;
  arrival: Generated<bigint>;
  event_key: Uint8Array;
  provider_event_id: string | null;
  body_digest: Uint8Array;
  event_type: string;
  provider_reference: string | null;
  owner_reference: string | null;
  effect: string;
  effect_detail: string | null;
  occurred_at: Date | null;
  event_at: Date;
  received_at: Date;
  last_received_at: Date;
  repeats: number;
  state: "queued" | "processing" | "done" | "dead";
  outcome: string;
  attempts: number;
  queued_at: Date;
  due_at: Date;
  holder: string | null;
  lease_until: Date | null;
  finished_at: Date | null;
  error: string;
  tenant: string | null;
  user_id: string | null;
  connection_id: string | null;
  data_key_id: string | null;
  sealed_payload: Uint8Array | null;
}

/** A firm's client at an aggregator. */
export interface AggregatorCustomerRow {
  tenant: string;
  user_id: string;
  connector: string;
  customer_id: string;
  customer_type: "testing" | "active";
  state: "not_linked" | "pending" | "linked" | "error";
  step: Generated<string>;
  error_code: Generated<string>;
  created_at: Date;
  updated_at: Date;
}

/** A consent asked for by e-mail. */
export interface ConnectEmailRow {
  tenant: string;
  user_id: string;
  email_id: string;
  connector: string;
  status: "sending" | "sent" | "failed";
  data_key_id: string;
  sealed_details: Uint8Array;
  expires_at: Date | null;
  created_at: Date;
}
