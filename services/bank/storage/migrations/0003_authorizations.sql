-- One row per authorize answered. A row without request_hash is a tombstone, left by a void by key that came before its
-- authorize: declined, of no merchant ('') and no currency (XXX).
create table authorizations (
  id                    uuid primary key,
  authorization_code    text unique,               -- only on approved ones
  state                 text not null check (state in ('PENDING', 'CAPTURED', 'VOIDED', 'EXPIRED', 'DECLINED')),
  -- No foreign key: the row is written under the lock of its card, cards are never deleted, and the check would cost a
  -- fifth of the statement.
  card_id               uuid,
  token_ref             text,
  merchant_id           text not null,
  merchant_name         text,
  order_id              text not null,
  description           text,
  currency              text not null,
  amount_minor          bigint not null check (amount_minor >= 0),
  captured_minor        bigint not null default 0 check (captured_minor between 0 and amount_minor),
  refunded_minor        bigint not null default 0 check (refunded_minor between 0 and captured_minor),
  decline_reason        text,
  available_after_minor bigint,                    -- what the first answer said, so that a replay says the same
  idempotency_key       text,
  request_hash          bytea,
  created_at            timestamptz not null,
  expires_at            timestamptz not null,
  closed_at             timestamptz,               -- when it left PENDING
  constraint authorizations_declined check ((state = 'DECLINED') = (decline_reason is not null)),
  constraint authorizations_approved check (state = 'DECLINED' or (authorization_code is not null and card_id is not null)),
  constraint authorizations_captured check (captured_minor = 0 or state = 'CAPTURED')
) with (fillfactor = 90);
create unique index authorizations_idempotency on authorizations (idempotency_key) where idempotency_key is not null;
-- Serves the sweep, and the sum of holds that are over but not yet booked; both read only the expired end.
create index authorizations_due on authorizations (expires_at, card_id) where state = 'PENDING';

-- Answers of capture, void and refund, one row per operation and Idempotency-Key, written in the transaction of the act.
create table payment_operations (
  operation       text not null check (operation in ('capture', 'void', 'refund')),
  idempotency_key text not null,
  request_hash    bytea not null,
  answer          jsonb,
  created_at      timestamptz not null,
  primary key (operation, idempotency_key)
);
create index payment_operations_age on payment_operations (created_at);
