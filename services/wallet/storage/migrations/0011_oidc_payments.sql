-- One payment on its way through the payment page: from the customer's Authorize to the merchant's code exchange.
create table oidc_payments (
  user_id                uuid not null references users,
  payment_id             uuid not null,
  -- The authorisation request; two presses of Authorize meet here.
  interaction_uid        text not null unique,
  client_id              text not null,
  card_id                uuid not null,
  amount_minor           bigint not null check (amount_minor > 0),
  currency               text not null,
  merchant_id            text not null,            -- the id the merchant uses at the Router and the banks
  order_id               text,
  -- `requesting`: the bank is being asked; `refused`: it said no and another card may be tried; `authorized`: token here.
  state                  text not null check (state in ('requesting', 'refused', 'authorized')),
  lease_until            timestamptz not null,     -- a request older than this was lost
  grant_id               text unique,
  connection_id          text,
  wallet_card_token      text,
  token_id               text,                     -- the bank's name for its token, where it gives one
  sealed_card_token      bytea,                    -- until the merchant has it
  created_at             timestamptz not null,
  expires_at             timestamptz not null,
  redeemed_at            timestamptz,
  revoked_at             timestamptz,
  primary key (user_id, payment_id),
  check ((state = 'authorized') = (grant_id is not null and connection_id is not null and wallet_card_token is not null)),
  check (redeemed_at is null or sealed_card_token is null)
);
create index oidc_payments_expiry on oidc_payments (expires_at);

-- Access tokens are JWTs and lie nowhere; this row is what makes one revocable.
create table oidc_access_tokens (
  user_id     uuid not null references users,
  jti         text not null,
  grant_id    text not null,
  client_id   text not null,
  scope       text not null,
  expires_at  timestamptz not null,
  revoked_at  timestamptz,
  primary key (user_id, jti)
);
create index oidc_access_tokens_by_grant on oidc_access_tokens (grant_id);
create index oidc_access_tokens_expiry on oidc_access_tokens (expires_at);

-- Card tokens that must not be used any more; their banks are told until they have answered.
create table card_token_revocations (
  user_id        uuid not null references users,
  connection_id  text not null,
  token_id       text not null,
  next_try_at    timestamptz not null,
  tries          integer not null default 0,
  give_up_at     timestamptz not null,             -- the token has ended by itself by then
  primary key (user_id, connection_id, token_id)
);
create index card_token_revocations_due on card_token_revocations (next_try_at);
