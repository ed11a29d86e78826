-- What providers told us by webhook: proved, stored once, worked off later.

create table webhook_events (
  connector text not null,
  webhook_id uuid not null,
  -- Orders events of one time as they came.
  arrival bigint generated always as identity,
  -- SHA-256 of what makes the event the same when it comes again: the provider's id of it, else body and time.
  event_key bytea not null check (length(event_key) = 32),
  -- Null where the provider numbers none.
  provider_event_id text,
  body_digest bytea not null check (length(body_digest) = 32),
  event_type text not null,
  -- The connection as the provider names it; null for what concerns none.
  provider_reference text,
  effect text not null,
  effect_detail text,
  occurred_at timestamptz,
  -- When it happened, or else when it first arrived: the order in which events of a connection count.
  event_at timestamptz not null,
  received_at timestamptz not null,
  last_received_at timestamptz not null,
  -- How often it came again.
  repeats integer not null default 0 check (repeats >= 0),
  state text not null check (state in ('queued', 'processing', 'done', 'dead')),
  -- How it ended: applied, merged, superseded, disconnected, ignored, reread; empty until then.
  outcome text not null default '',
  attempts integer not null default 0,
  -- When it was queued, at first or for a replay.
  queued_at timestamptz not null,
  due_at timestamptz not null,
  holder uuid,
  lease_until timestamptz,
  finished_at timestamptz,
  -- A stable word; empty unless the last attempt failed.
  error text not null default '',
  -- The connection once it was found.
  tenant text,
  user_id text,
  connection_id uuid,
  -- Body and kept headers, sealed under a key of the installation; on the first event of a body, until it is swept.
  data_key_id uuid,
  sealed_payload bytea,
  primary key (connector, webhook_id),
  check ((state = 'processing') = (holder is not null)),
  check ((holder is null) = (lease_until is null)),
  check ((state in ('done', 'dead')) = (finished_at is not null)),
  check ((data_key_id is null) = (sealed_payload is null))
);
create unique index webhook_events_key on webhook_events (connector, event_key);
-- One event of a connection at a time, over all replicas.
create unique index webhook_events_processing on webhook_events (connector, provider_reference) where state = 'processing';
create index webhook_events_id on webhook_events (webhook_id);
create index webhook_events_due on webhook_events (due_at) where state = 'queued';
create index webhook_events_abandoned on webhook_events (lease_until) where state = 'processing';
create index webhook_events_reference on webhook_events (connector, provider_reference, event_at)
  where provider_reference is not null;
create index webhook_events_listed on webhook_events (received_at desc, webhook_id desc);
create index webhook_events_listed_by_state on webhook_events (state, received_at desc, webhook_id desc);
create index webhook_events_recent on webhook_events (last_received_at);
create index webhook_events_finished on webhook_events (finished_at) where finished_at is not null;
create index webhook_events_connection on webhook_events (tenant, user_id, connection_id)
  where connection_id is not null;

-- Webhooks that were refused, counted by the hour; each has its security alert in the audit.
create table webhook_rejections (
  connector text not null,
  hour timestamptz not null,
  reason text not null,
  count bigint not null check (count > 0),
  primary key (connector, hour, reason)
);

-- For operators' own queries.
create view connector_webhook_events as
  select webhook_id as id, connector as connector_id, provider_event_id, event_type, tenant, user_id, connection_id,
    state as status, outcome, effect, attempts, repeats, occurred_at, received_at, finished_at as processed_at, error
  from webhook_events;
