-- Every growing table has its owner in the primary key: it is the shard key, and every lookup names it.

create table vault_canaries (
  master_key_version integer primary key,
  sealed bytea not null,
  created_at timestamptz not null default now()
);

create table data_keys (
  tenant text not null,
  user_id text not null,
  data_key_id uuid not null,
  master_key_version integer not null,
  wrapped bytea not null,
  is_current boolean not null default true,
  -- Records sealed so far; a key is replaced long before random nonces could repeat.
  seals bigint not null default 0 check (seals >= 0),
  created_at timestamptz not null default now(),
  primary key (tenant, user_id, data_key_id)
);
create unique index data_keys_current on data_keys (tenant, user_id) where is_current;

create table provider_clients (
  bsim_id text primary key,
  client_id text not null,
  data_key_id uuid not null,
  sealed_secret bytea not null,
  record_version integer not null,
  created_at timestamptz not null,
  updated_at timestamptz not null
);

create table connect_attempts (
  tenant text not null,
  user_id text not null,
  state_hash bytea not null,
  attempt_id uuid not null,
  connector text not null,
  institution_id text not null,
  redirect_uri text not null,
  status text not null check (status in ('started', 'exchanging', 'completed', 'failed', 'cleaned')),
  proofs_data_key_id uuid not null,
  sealed_proofs bytea not null,
  -- Kept from the moment the code is sent until its answer is stored, so that a grant we lost can be revoked.
  code_data_key_id uuid,
  sealed_code bytea,
  created_at timestamptz not null,
  expires_at timestamptz not null,
  exchanging_since timestamptz,
  primary key (tenant, user_id, state_hash)
);
create index connect_attempts_exchanging on connect_attempts (exchanging_since) where status = 'exchanging';
create index connect_attempts_created on connect_attempts (created_at);

create table connections (
  tenant text not null,
  user_id text not null,
  connection_id uuid not null,
  connector text not null,
  institution_id text not null,
  issuer text not null,
  owner_reference text not null,
  state text not null check (state in ('ACTIVE', 'EXPIRED', 'REVOKED', 'ERROR')),
  state_reason text not null check ((state = 'ACTIVE') = (state_reason = '')),
  state_since timestamptz not null,
  -- Grows with every consent: answers that belong to an older consent are fenced by it.
  generation integer not null,
  -- Grows with every stored access token: how a waiter sees that someone else has refreshed.
  token_version bigint not null,
  -- Grows with every stored secret and never falls, also when secrets are destroyed: the record version of the vault.
  secrets_version integer not null,
  has_access_token boolean not null,
  has_refresh_token boolean not null,
  has_credential boolean not null,
  access_token_expires_at timestamptz,
  credential_expires_at timestamptz,
  refresh_due_at timestamptz,
  refresh_epoch bigint not null default 0,
  refresh_holder text,
  refresh_lease_until timestamptz,
  -- How the last flight ended: refreshed, refused, unavailable, client_refused.
  refresh_outcome text,
  refresh_failures integer not null default 0,
  connected_at timestamptz not null,
  updated_at timestamptz not null,
  primary key (tenant, user_id, connection_id),
  check ((refresh_holder is null) = (refresh_lease_until is null))
);
-- One live connection for a bank user; a disconnected one stays as history under its own id.
create unique index connections_bank_user
  on connections (tenant, user_id, connector, institution_id, owner_reference) where state <> 'REVOKED';
create index connections_refresh_due on connections (refresh_due_at) where refresh_due_at is not null;
create index connections_flights on connections (refresh_lease_until) where refresh_holder is not null;
create index connections_credential_expiry on connections (credential_expires_at)
  where state in ('ACTIVE', 'ERROR') and credential_expires_at is not null;
create index connections_needing_user on connections (state_since, connection_id) where state = 'EXPIRED';

create table connection_secrets (
  tenant text not null,
  user_id text not null,
  connection_id uuid not null,
  purpose text not null check (purpose in ('access_token', 'refresh_token', 'wallet_credential')),
  record_version integer not null,
  data_key_id uuid not null,
  ciphertext bytea not null,
  expires_at timestamptz,
  updated_at timestamptz not null,
  primary key (tenant, user_id, connection_id, purpose),
  foreign key (tenant, user_id, connection_id) references connections
);

-- What a bank answered to a refresh, sealed, from its arrival until it is the connection's own.
create table refresh_journal (
  tenant text not null,
  user_id text not null,
  connection_id uuid not null,
  epoch bigint not null,
  generation integer not null,
  data_key_id uuid not null,
  sealed_answer bytea not null,
  answered_at timestamptz not null,
  primary key (tenant, user_id, connection_id, epoch),
  foreign key (tenant, user_id, connection_id) references connections
);

-- Secrets that no connection uses any more and that the bank has yet to be told about.
create table revocations (
  tenant text not null,
  user_id text not null,
  revocation_id uuid not null,
  connection_id uuid not null,
  connector text not null,
  institution_id text not null,
  cause text not null check (cause in ('disconnect', 'superseded', 'orphaned')),
  data_key_id uuid not null,
  sealed_secrets bytea not null,
  attempts integer not null default 0,
  due_at timestamptz not null,
  give_up_at timestamptz not null,
  created_at timestamptz not null,
  primary key (tenant, user_id, revocation_id)
);
create index revocations_due on revocations (due_at);
create index revocations_connection on revocations (tenant, user_id, connection_id);

create table audit_chains (
  tenant text not null,
  chain smallint not null check (chain between 0 and 63),
  head_sequence bigint not null,
  head_hash bytea not null,
  primary key (tenant, chain)
);

create table audit_entries (
  tenant text not null,
  chain smallint not null,
  sequence bigint not null check (sequence > 0),
  at timestamptz not null,
  action text not null check (action in ('connect', 'disconnect', 'token_exchange', 'token_refresh', 'credential_store',
    'credential_access', 'credential_delete', 'account_list', 'transaction_fetch', 'sync', 'security_alert')),
  outcome text not null,
  actor text not null,
  client_address text not null,
  user_agent text not null,
  owner_hash bytea not null,
  connection_id uuid,
  institution_id text not null,
  duration_ms integer not null check (duration_ms >= 0),
  -- Purpose, version and ciphertext hash of stored secrets; reasons. Never a secret.
  details text not null,
  hash bytea not null check (length(hash) = 32),
  primary key (tenant, chain, sequence)
);
create index audit_entries_connection on audit_entries (connection_id, at);
