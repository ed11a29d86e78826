-- A person's way through the auth link, from the click to the code or the refusal.
create table auth_links (
  link_id uuid primary key,
  -- Of the link's query: a link works once, whoever follows it.
  link_hash bytea not null unique,
  request jsonb not null,
  -- Set when the link renews the consent of an existing connection.
  credentials_id uuid,
  stage text not null check (stage in ('open', 'bank_chosen', 'signed_in', 'granted', 'denied')),
  attempts integer not null default 0,
  provider_id text,
  username text,
  created_at timestamptz not null,
  expires_at timestamptz not null
);
create index auth_links_expiry on auth_links (expires_at);

create table connections (
  credentials_id uuid primary key,
  provider_id text not null,
  username text not null,
  scopes text[] not null,
  state text not null check (state in ('pending', 'active', 'revoked', 'deleted')),
  -- Only the newest of each is good: a refresh overwrites both.
  access_token_hash bytea unique,
  access_expires_at timestamptz,
  refresh_token_hash bytea unique,
  refresh_count integer not null default 0,
  authenticated_at timestamptz not null,
  consent_created_at timestamptz not null,
  consent_updated_at timestamptz not null,
  consent_expires_at timestamptz not null
);

create table authorization_codes (
  code_hash bytea primary key,
  credentials_id uuid not null references connections on delete cascade,
  redirect_uri text not null,
  scopes text[] not null,
  code_challenge text,
  challenge_method text,
  expires_at timestamptz not null,
  used_at timestamptz
);
create index authorization_codes_expiry on authorization_codes (expires_at);

-- Transactions the control API puts onto an account, beside its regular statement.
create table posted_transactions (
  posted_id uuid primary key,
  account_id text not null,
  at timestamptz not null,
  minor bigint not null,
  description text not null,
  merchant text,
  category text not null,
  pending boolean not null
);
create index posted_transactions_by_account on posted_transactions (account_id, at);

create table async_tasks (
  task_id uuid primary key,
  credentials_id uuid not null,
  -- What to read, as the path and query were asked for.
  request jsonb not null,
  webhook_uri text,
  status text not null check (status in ('Queued', 'Running', 'Succeeded', 'Failed')),
  answer_status integer,
  answer jsonb,
  created_at timestamptz not null,
  due_at timestamptz not null
);
create index async_tasks_due on async_tasks (due_at) where status in ('Queued', 'Running');

create table webhook_deliveries (
  delivery_id uuid primary key,
  event_id uuid not null,
  event_type text not null,
  url text not null,
  mode text not null check (mode in ('tl_signature', 'hmac', 'unsigned')),
  signature text not null,
  body text not null,
  state text not null check (state in ('pending', 'delivered', 'failed')),
  attempts integer not null default 0,
  last_status integer,
  created_at timestamptz not null,
  next_attempt_at timestamptz not null
);
create index webhook_deliveries_due on webhook_deliveries (next_attempt_at) where state = 'pending';
create index webhook_deliveries_by_age on webhook_deliveries (created_at);

create table webhook_keys (
  kid text primary key,
  public_key jsonb not null,
  sealed_private_key bytea not null,
  created_at timestamptz not null,
  retired_at timestamptz
);
-- One key signs at a time; retired ones stay published.
create unique index webhook_keys_current on webhook_keys ((true)) where retired_at is null;

create table faults (
  fault_id bigint generated always as identity primary key,
  path text not null,
  fault jsonb not null,
  remaining integer not null check (remaining >= 0)
);

create table calls (
  call_id bigint generated always as identity primary key,
  at timestamptz not null,
  method text not null,
  path text not null,
  status integer,
  error text,
  credentials_id uuid,
  fields text[] not null,
  fault text
);

create table settings (
  one boolean primary key default true check (one),
  value jsonb not null
);
