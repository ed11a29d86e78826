create table shop_sessions (
  session_id text primary key,
  token_hash bytea not null unique,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null
);
create index shop_sessions_expiry on shop_sessions (expires_at);

create table cart_lines (
  session_id text not null references shop_sessions (session_id) on delete cascade,
  product_id text not null,
  quantity integer not null check (quantity between 1 and 20),
  primary key (session_id, product_id)
);

create table orders (
  order_id text primary key,
  -- Kept when the session ends: an order is a business record.
  session_id text not null,
  state text not null check (state in ('awaiting_payment', 'paying', 'authorized', 'captured', 'refunded', 'voided',
    'expired', 'cancelled', 'declined', 'failed')),
  lines jsonb not null,
  total_minor bigint not null check (total_minor > 0),
  currency text not null,
  method text not null check (method in ('wallet', 'bank')),
  transaction_id text,
  authorization_code text,
  bank_id text,
  bank_name text,
  decline_reason text,
  captured_minor bigint not null default 0 check (captured_minor between 0 and total_minor),
  refunded_minor bigint not null default 0 check (refunded_minor between 0 and captured_minor),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create index orders_by_session on orders (session_id, created_at desc);
create index orders_by_age on orders (created_at desc, order_id desc);

-- One trip of a customer to the wallet or bank. The tokens that came back are kept sealed until the Router has answered,
-- so that the very same request can be sent again after a crash.
create table payment_attempts (
  attempt_id text primary key,
  order_id text not null references orders (order_id),
  session_id text not null,
  provider text not null,
  state_hash bytea not null unique,
  sealed_secrets bytea not null,
  stage text not null check (stage in ('sent', 'returned', 'authorizing', 'settled')),
  idempotency_key text not null unique,
  sealed_request bytea,
  tries integer not null default 0,
  next_try_at timestamptz,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null
);
create index payment_attempts_due on payment_attempts (next_try_at) where stage = 'authorizing';
create index payment_attempts_by_order on payment_attempts (order_id);
create index payment_attempts_expiry on payment_attempts (expires_at);
