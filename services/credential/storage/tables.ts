import type { Generated, JSONColumnType, Selectable } from "kysely";
import type {
  AggregatorCustomerRow,
  ConnectEmailRow,
  OwnedRow,
  ProviderAccountRow,
  ProviderTransactionRow,
  SyncRunRow,
  SyncStateRow,
  WebhookEventRow,
} from "./provider-tables.ts";

interface DataKeyRow extends OwnedRow {
  data_key_id: string;
  master_key_version: number;
  wrapped: Uint8Array;
  is_current: Generated<boolean>;
  seals: Generated<bigint>;
}

interface ProviderClientRow {
  bsim_id: string;
  client_id: string;
  data_key_id: string;
  sealed_secret: Uint8Array;
  record_version: number;
  created_at: Date;
  updated_at: Date;
}

interface ConnectAttemptRow extends OwnedRow {
  state_hash: Uint8Array;
  attempt_id: string;
  connector: string;
  institution_id: string;
  redirect_uri: string;
  status: "started" | "exchanging" | "completed" | "failed" | "cleaned";
  proofs_data_key_id: string;
  sealed_proofs: Uint8Array;
  code_data_key_id: string | null;
  sealed_code: Uint8Array | null;
  created_at: Date;
  expires_at: Date;
  exchanging_since: Date | null;
  connection_id: string | null;
  return_url: string | null;
  browser_hash: Uint8Array | null;
}

/** A connection as stored. */
export type ConnectionRow = Selectable<ConnectionsTable>;

interface ConnectionsTable extends OwnedRow {
  connection_id: string;
  connector: string;
  institution_id: string;
  institution_name: Generated<string>;
  issuer: string;
  owner_reference: string;
  provider_reference: string | null;
  accounts_hash: Generated<Uint8Array | null>;
  state: "ACTIVE" | "EXPIRED" | "REVOKED" | "ERROR";
  state_reason: string;
  state_since: Date;
  generation: number;
  token_version: bigint;
  secrets_version: number;
  has_access_token: boolean;
  has_refresh_token: boolean;
  has_credential: boolean;
  access_token_expires_at: Date | null;
  credential_expires_at: Date | null;
  consent_expires_at: Date | null;
  last_sync_at: Date | null;
  reminded_of: Date | null;
  reminded_at: Date | null;
  settings: JSONColumnType<{ retentionDays?: number }, string | undefined, string>;
  refresh_due_at: Date | null;
  refresh_epoch: bigint;
  refresh_holder: string | null;
  refresh_lease_until: Date | null;
  refresh_outcome: string | null;
  refresh_failures: number;
  refresh_unsettled: boolean;
  connected_at: Date;
  consented_at: Date | null;
  updated_at: Date;
}

interface ConnectionSecretRow extends OwnedRow {
  connection_id: string;
  purpose: "access_token" | "refresh_token" | "wallet_credential";
  record_version: number;
  data_key_id: string;
  ciphertext: Uint8Array;
  expires_at: Date | null;
  updated_at: Date;
}

interface RefreshJournalRow extends OwnedRow {
  connection_id: string;
  epoch: bigint;
  generation: number;
  data_key_id: string;
  sealed_answer: Uint8Array;
  answered_at: Date;
}

interface RefreshIntentRow extends OwnedRow {
  connection_id: string;
  epoch: bigint;
  generation: number;
  token_version: bigint;
  holder: string;
  begun_at: Generated<Date>;
  /** Its flight has ended or was taken over, and the answer is still missing. */
  is_over: Generated<boolean>;
}

interface RefreshCircuitRow {
  connector: string;
  institution_id: string;
  openings: number;
  opened_at: Date;
  open_until: Date;
  probe_until: Date | null;
  is_limit: Generated<boolean>;
}

interface OwnerNoticeRow extends OwnedRow {
  notice_id: string;
  connection_id: string;
  connector: string;
  institution_id: string;
  kind: "reauthorization_required" | "provider_down" | "misconfigured" | "recovered";
  reason: string;
  created_at: Date;
  taken_until: Date | null;
}

interface ProviderTokenRow {
  name: string;
  data_key_id: string | null;
  sealed_token: Uint8Array | null;
  token_epoch: Generated<number>;
  minted_at: Date | null;
  expires_at: Date | null;
  mint_epoch: Generated<number>;
  mint_holder: string | null;
  mint_started_at: Date | null;
  mint_lease_until: Date | null;
  credentials_hash: Uint8Array | null;
  refusals: Generated<number>;
  refusals_in_all: Generated<number>;
  tries: Generated<number>;
  retry_at: Date | null;
  last_outcome: string | null;
}

interface RevocationRow extends OwnedRow {
  revocation_id: string;
  connection_id: string;
  connector: string;
  institution_id: string;
  cause: "disconnect" | "superseded" | "orphaned";
  data_key_id: string;
  sealed_secrets: Uint8Array;
  attempts: Generated<number>;
  due_at: Date;
  give_up_at: Date;
  created_at: Date;
}

interface AuditEntryRow {
  tenant: string;
  chain: number;
  sequence: bigint;
  at: Date;
  action: string;
  outcome: string;
  actor: string;
  client_address: string;
  user_agent: string;
  owner_hash: Uint8Array;
  connection_id: string | null;
  institution_id: string;
  duration_ms: number;
  details: string;
  hash: Uint8Array;
}

/** An erasure as stored. */
export interface ErasureRow {
  tenant: string;
  erasure_id: string;
  owner_hash: Uint8Array;
  user_id: string | null;
  state: "running" | "completed";
  requested_by: string;
  requested_at: Date;
  due_at: Date;
  connections: Generated<number>;
  accounts: Generated<number>;
  transactions: Generated<number>;
  sync_runs: Generated<number>;
  webhook_events: Generated<number>;
  connect_attempts: Generated<number>;
  revocations: Generated<number>;
  data_keys: Generated<number>;
  completed_at: Date | null;
  revoked_at: Generated<Date | null>;
}

/** The tables of the credential schema. */
export interface Tables {
  vault_canaries: {
    master_key_version: number;
    sealed: Uint8Array;
    is_current: Generated<boolean>;
    wrapped_key: Uint8Array | null;
    retired_at: Generated<Date | null>;
    wraps_before: Generated<bigint>;
  };
  vault_installation_keys: { name: string; master_key_version: number; wrapped: Uint8Array };
  vault_replicas: { replica: string; versions: number[]; seen_at: Date };
  data_keys: DataKeyRow;
  provider_clients: ProviderClientRow;
  connect_attempts: ConnectAttemptRow;
  connections: ConnectionsTable;
  connection_secrets: ConnectionSecretRow;
  refresh_journal: RefreshJournalRow;
  refresh_intents: RefreshIntentRow;
  refresh_circuits: RefreshCircuitRow;
  owner_notices: OwnerNoticeRow;
  provider_tokens: ProviderTokenRow;
  revocations: RevocationRow;
  provider_accounts: ProviderAccountRow;
  provider_transactions: ProviderTransactionRow;
  sync_states: SyncStateRow;
  sync_runs: SyncRunRow;
  webhook_events: WebhookEventRow;
  aggregator_customers: AggregatorCustomerRow;
  connect_emails: ConnectEmailRow;
  webhook_rejections: { connector: string; hour: Date; reason: string; count: bigint };
  audit_chains: { tenant: string; chain: number; head_sequence: bigint; head_hash: Uint8Array };
  audit_entries: AuditEntryRow;
  audit_owners: { tenant: string; owner_hash: Uint8Array; user_id: string };
  audit_persons: {
    tenant: string;
    chain: number;
    sequence: bigint;
    owner_hash: Uint8Array;
    client_address: string;
    user_agent: string;
    salt: Uint8Array;
  };
  erasures: ErasureRow;
  statistics_snapshots: {
    name: string;
    taken_at: Date | null;
    told_at: Date | null;
    took_ms: Generated<number>;
    lease_until: Date | null;
    numbers: JSONColumnType<object> | null;
  };
  audit_signed_heads: {
    number: bigint;
    signed_at: Date;
    heads: string;
    previous_hash: Uint8Array;
    signature: Uint8Array;
  };
}
