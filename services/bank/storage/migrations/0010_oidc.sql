-- State of an OIDC server: sessions, interactions, grants, codes, tokens. Written by platform/oidc; a service that runs an
-- OIDC server copies this file into its migrations.

create table oidc_records (
  model       text not null,                 -- Session, Interaction, Grant, AuthorizationCode, RefreshToken, ...
  id_hash     bytea not null,                -- SHA-256 of the id: for codes and tokens the id is the secret itself
  payload     jsonb not null,                -- without the id
  grant_id    text,                          -- the grant it lives and dies with
  uid         text,                          -- sessions: the reference others keep
  user_code   text,
  consumed_at timestamptz,                   -- set once, by one conditional update
  expires_at  timestamptz,                   -- null only where the server gave no lifetime
  created_at  timestamptz not null default now(),
  primary key (model, id_hash)
) with (fillfactor = 80);
create index oidc_records_grant on oidc_records (grant_id) where grant_id is not null;
-- Not unique: of two requests that renew one session at once both write it, and the newest counts.
create index oidc_records_uid on oidc_records (model, uid) where uid is not null;
create index oidc_records_user_code on oidc_records (model, user_code) where user_code is not null;
create index oidc_records_expiry on oidc_records (expires_at);

-- Keys that sign tokens, made by the deployment itself. The private half is sealed; of several replicas that start at
-- once one inserts and all use its row.
create table oidc_signing_keys (
  alg         text not null,
  generation  integer not null check (generation > 0),
  key_id      text not null unique,
  sealed_key  bytea not null,
  created_at  timestamptz not null default now(),
  retired_at  timestamptz,                   -- verifies what it signed, signs nothing new
  primary key (alg, generation)
);
