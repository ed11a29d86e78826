-- Tokens of the installation itself (partner and app tokens), one in force a name, shared by all replicas. Every time is the
-- database's: replicas whose clocks differ, or jump, agree on age, lease and back-off.
create table provider_tokens (
  name text primary key,
  data_key_id uuid,
  sealed_token bytea,
  -- The mint it came from: the record version of the vault.
  token_epoch integer not null default 0,
  -- When its mint began, so that no token is ever taken for younger than it is.
  minted_at timestamptz,
  expires_at timestamptz,
  -- Grows with every mint; fences a late one.
  mint_epoch integer not null default 0,
  mint_holder text,
  mint_started_at timestamptz,
  mint_lease_until timestamptz,
  -- Keyed hash of what the last mint authenticated with.
  credentials_hash bytea,
  -- Mints that were refused, or may have been, since the last success: with these credentials, and with any. Counted before the
  -- provider is asked, taken back when it proves not to have looked.
  refusals integer not null default 0 check (refusals >= 0),
  refusals_in_all integer not null default 0 check (refusals_in_all >= 0),
  tries integer not null default 0,
  retry_at timestamptz,
  last_outcome text,
  check ((sealed_token is null) = (data_key_id is null)),
  check ((mint_holder is null) = (mint_lease_until is null))
);
