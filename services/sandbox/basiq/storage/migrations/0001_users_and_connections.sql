create table users (
  user_id text primary key,
  email text,
  mobile text,
  first_name text,
  last_name text,
  -- The step of the next job that fails, and the code it fails with.
  fail_step text,
  fail_code text,
  created_at timestamptz not null
);

create table access_tokens (
  token_hash bytea primary key,
  scope text not null check (scope in ('SERVER_ACCESS', 'CLIENT_ACCESS')),
  user_id text references users on delete cascade,
  created_at timestamptz not null,
  expires_at timestamptz not null
);
create index access_tokens_age on access_tokens (created_at);

-- A user has one link; a new one takes its place.
create table auth_links (
  user_id text primary key references users on delete cascade,
  link_hash bytea not null unique,
  sealed_link bytea not null,
  mobile text,
  expires_at timestamptz not null
);

create table consents (
  consent_id text primary key,
  user_id text not null references users on delete cascade,
  status text not null check (status in ('active', 'expired', 'revoked')),
  created_at timestamptz not null,
  updated_at timestamptz not null,
  expires_at timestamptz not null,
  warned boolean not null default false
);
create unique index consents_active on consents (user_id) where status = 'active';
create index consents_due on consents (expires_at) where status = 'active';

create table connections (
  connection_id text primary key,
  user_id text not null references users on delete cascade,
  institution_id text not null,
  username text not null,
  account_kinds text[] not null,
  status text not null check (status in ('pending', 'active', 'invalid')),
  created_at timestamptz not null,
  last_used_at timestamptz,
  -- What is shown is what the bank had at these times.
  accounts_at timestamptz,
  fetched_at timestamptz,
  refreshes integer not null default 0,
  refresh_due_at timestamptz
);
create index connections_user on connections (user_id);
create index connections_due on connections (refresh_due_at) where status = 'active';

create table jobs (
  job_id text primary key,
  user_id text not null references users on delete cascade,
  connection_id text not null references connections on delete cascade,
  steps jsonb not null,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  -- Null once it is over.
  due_at timestamptz
);
create unique index jobs_under_way on jobs (connection_id) where due_at is not null;
create index jobs_due on jobs (due_at) where due_at is not null;
create index jobs_user on jobs (user_id);

-- Beside the regular statements, added by the control API.
create table added_transactions (
  added_id text primary key,
  connection_id text not null references connections on delete cascade,
  account_kind text not null,
  at timestamptz not null,
  minor bigint not null,
  description text not null,
  pending boolean not null
);
create index added_transactions_connection on added_transactions (connection_id);

create table visits (
  visit_hash bytea primary key,
  user_id text not null references users on delete cascade,
  action text not null check (action in ('connect', 'reauthorise', 'extend')),
  state text not null,
  institution_id text,
  connection_id text,
  username text,
  attempts integer not null default 0,
  stage text not null check (stage in ('open', 'signed_in', 'over')),
  expires_at timestamptz not null
);

-- Events outlive the user they tell of.
create table events (
  event_id text primary key,
  user_id text not null,
  entity text not null,
  event_type text not null,
  data_path text not null,
  data jsonb not null,
  created_at timestamptz not null
);
create index events_user on events (user_id, created_at);

create table webhook_endpoints (
  webhook_id text primary key,
  name text not null,
  description text not null,
  url text not null unique,
  subscribed_events text[] not null,
  status text not null check (status in ('active', 'disabled')),
  sealed_secret bytea not null,
  created_at timestamptz not null
);
