-- What customers allowed others to do. One row per grant of the OIDC server; the row outlives the grant as a record of it.
create table consents (
  id          uuid primary key,
  grant_id    text not null unique,
  customer_id uuid not null references customers (id),
  client_id   text not null,
  scopes      text[] not null,
  card_ids    uuid[] not null,                 -- cards a wallet may use, or the one card of a payment
  account_ids uuid[] not null,                 -- accounts that may be read
  limit_minor bigint check (limit_minor > 0),  -- a payment's upper limit; null = none
  currency    text check (currency ~ '^[A-Z]{3}$'),
  remembered  boolean not null,                -- the same request is answered from this row without asking again
  created_at  timestamptz not null,
  expires_at  timestamptz not null,
  ended_at    timestamptz                      -- the grant was revoked
);
create index consents_remembered on consents (customer_id, client_id, created_at desc) where remembered and ended_at is null;

-- What a wallet presents to use the wallet API. Only a hash of the credential is kept; scopes, cards and revocation are
-- read here and nowhere else.
create table wallet_credentials (
  id              uuid primary key,            -- the credential's jti
  grant_id        text not null,
  generation      integer not null check (generation > 0),  -- grows by one with each renewal
  customer_id     uuid not null references customers (id),
  client_id       text not null,               -- the wallet
  wallet_name     text not null,
  scopes          text[] not null,
  card_ids        uuid[] not null,
  credential_hash bytea not null unique,       -- HMAC-SHA-256
  issued_at       timestamptz not null,
  expires_at      timestamptz not null,
  last_used_at    timestamptz,
  revoked_at      timestamptz,
  revoked_why     text check (revoked_why in ('by_wallet', 'by_customer', 'grant_ended', 'superseded')),
  check ((revoked_at is null) = (revoked_why is null)),
  unique (grant_id, generation)
);
create index wallet_credentials_customer on wallet_credentials (customer_id, client_id);

-- A consent's card token ends with its grant.
alter table card_tokens add column grant_id text;
create index card_tokens_grant on card_tokens (grant_id) where grant_id is not null;
