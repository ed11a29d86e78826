-- The one partner whose programs may call. Five failed logins lock it.
create table partner (
  one boolean primary key default true check (one),
  sealed_secret bytea not null,
  -- The secret before a change that asked for the grace period.
  sealed_former_secret bytea,
  former_until timestamptz,
  failed_logins integer not null default 0,
  locked boolean not null default false
);

create table app_tokens (
  token_hash bytea primary key,
  expires_at timestamptz not null
);
create index app_tokens_expiry on app_tokens (expires_at);

create table customers (
  customer_id bigint generated always as identity (start with 1005061234) primary key,
  -- Deleted customers keep theirs: a username is used once and never again.
  username text not null unique,
  type text not null check (type in ('testing', 'active')),
  details jsonb not null,
  created_at timestamptz not null,
  modified_at timestamptz not null,
  deleted_at timestamptz
);

-- A person's way through one Connect link.
create table connect_sessions (
  session_id uuid primary key,
  token_hash bytea not null unique,
  customer_id bigint not null references customers on delete cascade,
  request jsonb not null,
  -- The login a Fix link repairs.
  fix_login_id bigint,
  -- What the e-mail that carries the link says; null when no e-mail was asked for.
  email jsonb,
  stage text not null check (stage in ('open', 'started', 'signed_in', 'done', 'exited')),
  attempts integer not null default 0,
  institution_id bigint,
  username text,
  created_at timestamptz not null,
  expires_at timestamptz not null
);
create index connect_sessions_by_customer on connect_sessions (customer_id, created_at);
create index connect_sessions_expiry on connect_sessions (expires_at);

create table institution_logins (
  login_id bigint generated always as identity (start with 7008461438) primary key,
  customer_id bigint not null references customers on delete cascade,
  institution_id bigint not null,
  username text not null,
  oauth boolean not null,
  authorized_at timestamptz not null,
  -- Null where the authorization does not end: logins that are not OAuth.
  authorization_ends_at timestamptz,
  expiry_told boolean not null default false,
  -- 0, or the aggregation status code that tells what its person has to do.
  status_code integer not null default 0,
  removed_at timestamptz
);
create unique index institution_logins_once on institution_logins (customer_id, institution_id, username)
  where removed_at is null;
create index institution_logins_ending on institution_logins (authorization_ends_at) where removed_at is null;

create table accounts (
  account_id bigint generated always as identity (start with 6021394401) primary key,
  login_id bigint not null references institution_logins on delete cascade,
  customer_id bigint not null,
  kind text not null check (kind in ('current', 'savings', 'card')),
  created_at timestamptz not null,
  -- How many days before `created_at` its transactions begin.
  history_days integer not null default 180,
  -- Null until the first aggregation; what is told of the account is as of `aggregated_at`.
  status_code integer,
  aggregated_at timestamptz,
  attempted_at timestamptz,
  aggregation_due_at timestamptz not null,
  removed_at timestamptz
);
create unique index accounts_once on accounts (login_id, kind) where removed_at is null;
create index accounts_by_customer on accounts (customer_id) where removed_at is null;
create index accounts_due on accounts (aggregation_due_at) where removed_at is null;

-- Transactions the control API puts onto an account, beside its regular statement.
create table posted_transactions (
  posted_id uuid primary key,
  account_id bigint not null references accounts on delete cascade,
  at timestamptz not null,
  minor bigint not null,
  description text not null,
  pending boolean not null
);
create index posted_transactions_by_account on posted_transactions (account_id, at);

-- Transactions the institution no longer knows; told with the status "shadow".
create table shadow_transactions (
  account_id bigint not null references accounts on delete cascade,
  entry_key text not null,
  primary key (account_id, entry_key)
);

create table subscriptions (
  subscription_id uuid primary key,
  url text,
  events jsonb not null,
  status text not null check (status in ('active', 'inactive')),
  created_at timestamptz not null,
  updated_at timestamptz not null
);
