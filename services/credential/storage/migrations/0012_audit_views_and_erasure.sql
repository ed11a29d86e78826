-- Who the owners in the audit are. The chains hold keyed hashes alone; these rows go when a user is erased, and the chains then name
-- nobody and verify as before.
create table audit_owners (
  tenant text not null,
  owner_hash bytea not null,
  user_id text not null,
  primary key (tenant, owner_hash)
);
insert into audit_owners (tenant, owner_hash, user_id)
  select distinct e.tenant, e.owner_hash, c.user_id
  from audit_entries e join connections c on c.tenant = e.tenant and c.connection_id = e.connection_id
  on conflict do nothing;

-- Where a user acted from, for entries of his own acts. The entry itself holds a hash of it under the salt that is kept here.
create table audit_persons (
  tenant text not null,
  chain smallint not null,
  sequence bigint not null,
  owner_hash bytea not null,
  client_address text not null,
  user_agent text not null,
  salt bytea not null,
  primary key (tenant, chain, sequence)
);
create index audit_persons_owner on audit_persons (tenant, owner_hash);

-- Erasures of users, under way and done; a done one does not say whose it was.
create table erasures (
  tenant text not null,
  erasure_id uuid not null,
  owner_hash bytea not null,
  -- Null once everything is gone.
  user_id text,
  state text not null check (state in ('running', 'completed')),
  requested_by text not null,
  requested_at timestamptz not null,
  -- When another process may go on with it.
  due_at timestamptz not null,
  connections integer not null default 0,
  accounts integer not null default 0,
  transactions integer not null default 0,
  sync_runs integer not null default 0,
  webhook_events integer not null default 0,
  connect_attempts integer not null default 0,
  revocations integer not null default 0,
  data_keys integer not null default 0,
  completed_at timestamptz,
  -- When the last revocation at a provider was confirmed or given up, and the key of their secrets destroyed.
  revoked_at timestamptz,
  primary key (tenant, erasure_id),
  check ((state = 'completed') = (user_id is null)),
  check ((state = 'completed') = (completed_at is not null))
);
create unique index erasures_running on erasures (tenant, user_id) where state = 'running';
create index erasures_due on erasures (due_at) where state = 'running';
create index erasures_owner on erasures (tenant, owner_hash);
create index erasures_unrevoked on erasures (completed_at) where state = 'completed' and revoked_at is null;

-- The views below find a connection by its id alone.
create index connections_id on connections (connection_id);

-- For operators' own queries; the names are kept whatever becomes of the tables.
create view connector_audit_logs as
  select e.tenant, o.user_id, e.action, e.at as timestamp, e.outcome, e.actor,
    coalesce(p.client_address, e.client_address) as ip_address, coalesce(p.user_agent, e.user_agent) as user_agent,
    e.connection_id, e.institution_id, e.duration_ms, e.details::jsonb as details, e.chain, e.sequence
  from audit_entries e
    left join audit_owners o on o.tenant = e.tenant and o.owner_hash = e.owner_hash
    left join audit_persons p on p.tenant = e.tenant and p.chain = e.chain and p.sequence = e.sequence;

create view connector_connections as
  select c.connection_id as id, c.tenant, c.user_id, c.connector as connector_id, c.institution_id, c.institution_name,
    (select coalesce(jsonb_agg(jsonb_build_object('id', a.account_id, 'type', a.account_type, 'name', a.display_name,
        'mask', a.masked_number, 'currency', a.currency) order by a.account_id), '[]'::jsonb)
      from provider_accounts a
      where a.tenant = c.tenant and a.user_id = c.user_id and a.connection_id = c.connection_id) as accounts,
    case
      when c.state = 'ACTIVE' and exists (select from sync_runs s where s.tenant = c.tenant and s.user_id = c.user_id
        and s.connection_id = c.connection_id and s.state = 'running') then 'syncing'
      when c.state = 'ACTIVE' then 'connected'
      else lower(c.state)
    end as status,
    c.state_reason as status_reason, c.last_sync_at as last_sync, c.settings, c.access_token_expires_at as expires_at,
    c.consent_expires_at, c.connected_at as created_at, c.updated_at
  from connections c;

create view truelayer_audit_logs as
  select l.tenant, l.user_id, upper(l.action) as action, l.timestamp as created_at, l.outcome, l.actor, l.ip_address,
    l.user_agent, l.connection_id, l.institution_id as provider_id, l.duration_ms, l.details
  from connector_audit_logs l
    join connections c on c.connection_id = l.connection_id and c.tenant = l.tenant
  where c.connector = 'truelayer';

create view truelayer_connections as
  select connection_id as id, tenant, user_id, institution_id as provider_id, state as status,
    access_token_expires_at as expires_at, consent_expires_at, last_sync_at as last_sync, refresh_due_at, refresh_failures,
    connected_at as created_at, updated_at
  from connections where connector = 'truelayer';
