-- What every sandbox keeps, whatever it plays; the kit's stores read and write it.

create table faults (
  fault_id bigint generated always as identity primary key,
  path text not null,
  fault jsonb not null,
  remaining integer not null check (remaining >= 0)
);

create table calls (
  call_id bigint generated always as identity primary key,
  at timestamptz not null,
  request_id text not null,
  method text not null,
  path text not null,
  -- Null when the answer was lost.
  status integer,
  error text,
  -- The provider's name of the connection, item, customer or user the call was about.
  subject text,
  -- Names of the call's fields; values only of those that open nothing.
  fields text[] not null,
  fault text
);

create table settings (
  one boolean primary key default true check (one),
  value jsonb not null
);

create table webhook_deliveries (
  delivery_id uuid primary key,
  subject text,
  event_id text not null,
  event_type text not null,
  url text not null,
  body text not null,
  -- Which of the provider's schemes signs it, how it is to be signed wrongly, and when; the settings' where null.
  scheme text,
  signature text,
  skew_seconds integer not null default 0,
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
-- One key signs at a time; retired ones are kept for whoever asks.
create unique index webhook_keys_current on webhook_keys ((true)) where retired_at is null;
