-- Who takes part. Every change of a row that followers see takes the next number of registry_revision, whose row lock is
-- held until commit: numbers become visible in their order, without gaps that fill later, which a sequence cannot promise.
create table registry_revision (
  only_row boolean primary key default true check (only_row),
  revision bigint not null
);
insert into registry_revision (revision) values (0);

create table banks (
  id text primary key,
  name text not null,
  api_base_url text not null,
  auth_server_url text not null,
  open_banking_url text,
  card_types text[] not null,
  bin_ranges text[] not null,
  wallet_enrollment_supported boolean not null,
  logo_url text,
  -- The key the Router presents to this bank, sealed (platform/vault/sealed-box).
  api_key_sealed bytea,
  capabilities text[] not null,
  status text not null check (status in ('active', 'inactive', 'maintenance')),
  -- Set while an operator holds the bank in its status: the bank itself cannot lift that.
  held_by_operator boolean not null default false check (not held_by_operator or status <> 'active'),
  health text not null check (health in ('unknown', 'healthy', 'unhealthy')),
  revision bigint not null,
  created_at timestamptz not null,
  updated_at timestamptz not null
);
create index banks_by_revision on banks (revision);

-- What the prober knows, apart from the bank's row: a probe that finds nothing new must not look like a change.
create table bank_probes (
  bank_id text primary key references banks (id),
  circuit text not null check (circuit in ('closed', 'open')),
  failures integer not null check (failures >= 0),
  last_probe_at timestamptz,
  next_probe_at timestamptz not null,
  -- Held by the replica that probes now; another may take over after it.
  lease_until timestamptz,
  lease_token uuid,
  check ((lease_until is null) = (lease_token is null))
);
create index bank_probes_by_due_time on bank_probes (next_probe_at);

create table merchants (
  id text primary key,
  name text not null,
  status text not null check (status in ('active', 'inactive')),
  revision bigint not null,
  created_at timestamptz not null,
  updated_at timestamptz not null
);
create index merchants_by_revision on merchants (revision);

create table oauth_clients (
  id text primary key,
  name text not null,
  redirect_uris text[] not null,
  post_logout_redirect_uris text[] not null,
  scopes text[] not null,
  merchant_id text not null,
  status text not null check (status in ('active', 'inactive')),
  revision bigint not null,
  created_at timestamptz not null,
  updated_at timestamptz not null
);
create index oauth_clients_by_revision on oauth_clients (revision);

-- Registration keys of banks, API keys of merchants, secrets of OAuth clients: HMAC-SHA256 under API_KEY_PEPPER. No value
-- serves two owners, or one again after it was revoked.
create table access_keys (
  key_id uuid primary key,
  kind text not null check (kind in ('bank', 'merchant', 'oauth_client')),
  owner_id text not null,
  hash bytea not null unique check (octet_length(hash) = 32),
  created_at timestamptz not null,
  revoked_at timestamptz
);
create index access_keys_by_owner on access_keys (kind, owner_id);
