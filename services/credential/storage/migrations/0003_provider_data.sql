-- Connections of data providers: what webhooks call them, when their consent ends, and what they brought.

alter table connections
  add column institution_name text not null default '',
  -- An item, credentials, connection, customer or profile id; how a provider's webhooks name the connection.
  add column provider_reference text,
  add column consent_expires_at timestamptz,
  add column last_sync_at timestamptz,
  add column settings jsonb not null default '{}';
create index connections_provider_reference on connections (connector, provider_reference)
  where provider_reference is not null;
create index connections_consent_expiry on connections (consent_expires_at)
  where state in ('ACTIVE', 'ERROR') and consent_expires_at is not null;

alter table connect_attempts
  -- The connection whose consent is renewed in place; null for a new one.
  add column connection_id uuid,
  -- Where the user's browser goes in the end; null where the caller takes the callback himself.
  add column return_url text;
-- A callback brings nothing but the state: it names neither owner nor connector.
create index connect_attempts_state on connect_attempts (state_hash);

create table provider_accounts (
  tenant text not null,
  user_id text not null,
  connection_id uuid not null,
  account_id text not null,
  account_type text not null,
  display_name text not null,
  masked_number text not null,
  currency text not null,
  -- Null when the provider did not tell it.
  balance_minor bigint,
  available_minor bigint,
  as_of timestamptz,
  updated_at timestamptz not null,
  primary key (tenant, user_id, connection_id, account_id),
  foreign key (tenant, user_id, connection_id) references connections
);

create table provider_transactions (
  tenant text not null,
  user_id text not null,
  connection_id uuid not null,
  transaction_id text not null,
  account_id text not null,
  -- Negative is money that left the account.
  amount_minor bigint not null,
  currency text not null,
  description text not null,
  status text not null check (status in ('pending', 'posted')),
  posted_at timestamptz not null,
  transacted_at timestamptz,
  category text,
  pending_transaction_id text,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  primary key (tenant, user_id, connection_id, transaction_id),
  foreign key (tenant, user_id, connection_id) references connections
);
-- Pages of a connection, newest first.
create index provider_transactions_posted
  on provider_transactions (tenant, user_id, connection_id, posted_at desc, transaction_id desc);

create table sync_states (
  tenant text not null,
  user_id text not null,
  connection_id uuid not null,
  -- The connector's own; where the next run begins.
  cursor text not null check (length(cursor) <= 4096),
  -- The consent the cursor belongs to.
  generation integer not null,
  backfilled_from timestamptz not null,
  updated_at timestamptz not null,
  primary key (tenant, user_id, connection_id),
  foreign key (tenant, user_id, connection_id) references connections
);

-- One row a run, asked for by a person, a webhook or the schedule; its id is the job id callers are given.
create table sync_runs (
  tenant text not null,
  user_id text not null,
  run_id uuid not null,
  connection_id uuid not null,
  connector text not null,
  kind text not null check (kind in ('transactions', 'accounts', 'tokens')),
  trigger text not null check (trigger in ('connect', 'manual', 'webhook', 'schedule')),
  state text not null check (state in ('queued', 'running', 'succeeded', 'failed')),
  requested_by text not null,
  requested_at timestamptz not null,
  due_at timestamptz not null,
  started_at timestamptz,
  finished_at timestamptz,
  holder text,
  lease_until timestamptz,
  attempts integer not null default 0,
  pages integer not null default 0,
  added integer not null default 0,
  changed integer not null default 0,
  removed integer not null default 0,
  -- A stable word; empty unless failed.
  error text not null default '',
  primary key (tenant, user_id, run_id),
  foreign key (tenant, user_id, connection_id) references connections,
  check ((state = 'running') = (holder is not null)),
  check ((holder is null) = (lease_until is null))
);
-- At most one running and, of each kind, one waiting run a connection: more requests join the one that waits.
create unique index sync_runs_running on sync_runs (tenant, user_id, connection_id) where state = 'running';
create unique index sync_runs_waiting on sync_runs (tenant, user_id, connection_id, kind) where state = 'queued';
create index sync_runs_due on sync_runs (due_at) where state = 'queued';
create index sync_runs_abandoned on sync_runs (lease_until) where state = 'running';
create index sync_runs_history on sync_runs (tenant, user_id, connection_id, requested_at desc, run_id desc);
