create table items (
  item_id text primary key,
  institution_id text not null,
  username text not null,
  account_keys text[] not null,
  products text[] not null,
  webhook text,
  state text not null check (state in ('active', 'login_required', 'revoked', 'removed')),
  -- Kept sealed beside the hash: exchanging the public token of an update gives the same access token again.
  access_token_hash bytea unique,
  sealed_access_token bytea,
  consent_expires_at timestamptz,
  expiration_noticed boolean not null default false,
  update_status text not null check (update_status in ('NOT_READY', 'INITIAL_UPDATE_COMPLETE', 'HISTORICAL_UPDATE_COMPLETE')),
  -- When the next step of the first transactions, a refresh or the regular update is due.
  update_due_at timestamptz not null,
  refresh_due_at timestamptz,
  refresh_count integer not null default 0,
  fed_through text not null,
  synced boolean not null default false,
  change_count bigint not null default 0,
  mutate_next_page boolean not null default false,
  last_webhook_at timestamptz,
  last_webhook_code text,
  last_update_at timestamptz,
  created_at timestamptz not null
);
create index items_due on items (least(update_due_at, refresh_due_at)) where state = 'active';
create index items_consent on items (consent_expires_at) where state = 'active';

create table item_transactions (
  item_id text not null references items on delete cascade,
  transaction_id text not null,
  account_key text not null,
  entry jsonb not null,
  minor bigint not null,
  day text not null,
  posted_day text not null,
  pending boolean not null,
  pending_transaction_id text,
  -- Null until the update that shows it; every change of an item takes the next number.
  added_change bigint,
  last_change bigint,
  removed boolean not null default false,
  primary key (item_id, transaction_id)
);
create unique index item_transactions_change on item_transactions (item_id, last_change);

create table public_tokens (
  token_hash bytea primary key,
  item_id text not null references items on delete cascade,
  expires_at timestamptz not null,
  used_at timestamptz
);

create table link_tokens (
  token_hash bytea primary key,
  link_session_id text not null unique,
  request jsonb not null,
  update_item_id text references items on delete cascade,
  stage text not null check (stage in ('open', 'signed_in', 'finished', 'exited')),
  attempts integer not null default 0,
  institution_id text,
  username text,
  item_id text references items on delete cascade,
  sealed_public_token bytea,
  created_at timestamptz not null,
  expires_at timestamptz not null,
  finished_at timestamptz
);

create table webhook_keys (
  kid text primary key,
  public_key jsonb not null,
  sealed_private_key bytea not null,
  created_at timestamptz not null,
  expired_at timestamptz
);
-- One key signs at a time.
create unique index webhook_keys_current on webhook_keys ((true)) where expired_at is null;

create table webhook_deliveries (
  delivery_id uuid primary key,
  item_id text,
  code text not null,
  url text not null,
  body text not null,
  signature text,
  skew_seconds integer not null default 0,
  state text not null check (state in ('pending', 'delivered', 'failed')),
  attempts integer not null default 0,
  last_status integer,
  created_at timestamptz not null,
  next_attempt_at timestamptz not null
);
create index webhook_deliveries_due on webhook_deliveries (next_attempt_at) where state = 'pending';

create table faults (
  fault_id bigint generated always as identity primary key,
  path text not null,
  fault jsonb not null,
  remaining integer not null
);

create table calls (
  call_id bigint generated always as identity primary key,
  at timestamptz not null,
  path text not null,
  status integer,
  error_code text,
  request_id text not null,
  fields text[] not null,
  fault text
);

create table settings (
  one boolean primary key default true check (one),
  value jsonb not null
);
