-- Master keys in versions. A canary row is what is known of a version: the key itself is configured, or kept in a KMS.
alter table vault_canaries
  -- New data keys are wrapped by the current version.
  add column is_current boolean not null default false,
  -- The key under a KMS's own; null for a version that is derived from a configured secret.
  add column wrapped_key bytea,
  add column retired_at timestamptz,
  -- Where the counter of all wraps stood when the version came: what it has wrapped itself is at most the difference.
  add column wraps_before bigint not null default 0,
  add constraint vault_canaries_retired check (not (is_current and retired_at is not null));
update vault_canaries set is_current = true
  where master_key_version = (select max(master_key_version) from vault_canaries);
create unique index vault_canaries_current on vault_canaries (is_current) where is_current;

-- Counts every wrap of a key by a master key, of whatever version. A sequence, so that it makes nobody wait.
create sequence vault_wraps;
select setval('vault_wraps', greatest(1, (select count(*) from data_keys)));

-- What a rotation has left to do.
create index data_keys_master_key on data_keys (master_key_version);

-- Keys of the installation itself, such as the audit's: they stay the same while master keys come and go.
create table vault_installation_keys (
  name text primary key,
  master_key_version integer not null,
  wrapped bytea not null,
  created_at timestamptz not null default now()
);

-- Which versions each running replica holds: a rotation waits until all of them hold the new one.
create table vault_replicas (
  replica text primary key,
  versions integer[] not null,
  seen_at timestamptz not null
);
