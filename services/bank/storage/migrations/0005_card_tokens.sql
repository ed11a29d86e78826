-- Single-use permissions to authorize one payment on one card: written by the wallet API and by payment consent, read
-- and consumed by the payment network. The token itself is not kept, only its reference.
create table card_tokens (
  token_ref     text primary key,                 -- wallet: the jti; consent: hex of the token's keyed hash
  kind          text not null check (kind in ('wallet', 'consent')),
  card_id       uuid not null references cards (id),
  customer_id   uuid not null references customers (id),
  credential_id uuid,                             -- the wallet credential it was minted under, if any
  merchant_id   text,                             -- null until bound by the first authorization
  amount_minor  bigint check (amount_minor > 0),  -- wallet: the exact amount; consent: the most it may be; null: unbound
  currency      text check (currency ~ '^[A-Z]{3}$'),
  expires_at    timestamptz not null,
  consumed_at   timestamptz,
  revoked_at    timestamptz,
  created_at    timestamptz not null default now()
) with (fillfactor = 70);
-- Without a condition on consumed_at: consuming a token must not touch any index.
create index card_tokens_credential on card_tokens (credential_id) where credential_id is not null;
create index card_tokens_expiry on card_tokens (expires_at);
