-- One row per payment. The merchant leads every key: it is the shard key. Card tokens are not kept, only a keyed hash of
-- the request that covers them.
create table payments (
  merchant_id        text        not null,
  payment_id         uuid        not null,
  order_id           text        not null,
  attempt            integer     not null check (attempt >= 0),   -- 0: made under an Idempotency-Key
  request_hash       bytea       not null,
  bank_id            text,                                        -- the bank that was asked; null when none was
  amount_minor       bigint      not null check (amount_minor > 0),
  currency           text        not null check (length(currency) = 3),
  merchant_name      text,
  description        text,
  metadata           text,                                        -- the merchant's JSON object, as sent
  status             text        not null check (status in
                       ('pending', 'authorized', 'declined', 'failed', 'captured', 'voided', 'expired', 'refunded')),
  authorization_code text,
  decline_reason     text,
  captured_minor     bigint      not null default 0 check (captured_minor between 0 and amount_minor),
  refunded_minor     bigint      not null default 0 check (refunded_minor between 0 and captured_minor),
  open_operation_id  uuid,                                        -- the one capture, void or refund under way
  created_at         timestamptz not null,
  updated_at         timestamptz not null,
  decided_at         timestamptz,
  expires_at         timestamptz,
  due_at             timestamptz,                                 -- when a sweep must look at it: crash or expiry
  primary key (merchant_id, payment_id),
  constraint payments_authorized check (authorization_code is not null or status in ('pending', 'declined', 'failed')),
  constraint payments_decided check ((status = 'pending') = (decided_at is null)),
  constraint payments_due check ((due_at is not null) = (status in ('pending', 'authorized'))),
  constraint payments_refunded check ((status = 'refunded') = (refunded_minor > 0 and refunded_minor = captured_minor))
);
-- The hot statements find a payment by merchant and id, and only the primary key may serve them: while the table is new the
-- planner takes every index that begins with the merchant for equally cheap, and keeps what it chose. So one index names the
-- merchant under another collation (its queries do too), and the other begins with the order.
create index payments_by_age on payments (merchant_id collate "C", created_at desc, payment_id desc);
create index payments_by_order on payments (order_id, merchant_id, attempt desc);
create index payments_newest on payments (created_at desc, merchant_id desc, payment_id desc);
create index payments_due on payments (due_at) where due_at is not null;

-- Captures, voids and refunds, written before the bank is called; the id is the bank's Idempotency-Key.
create table operations (
  merchant_id          text        not null,
  operation_id         uuid        not null,
  payment_id           uuid        not null,
  bank_id              text        not null,
  kind                 text        not null check (kind in ('capture', 'void', 'refund')),
  amount_minor         bigint      not null check (amount_minor > 0),
  asked_minor          bigint,                                    -- null: all that was left
  reason               text,
  request_key          bytea,
  keyed                boolean     not null default false,        -- request_key comes from an Idempotency-Key
  state                text        not null check (state in ('open', 'succeeded', 'refused', 'unresolved')),
  settling             boolean     not null default false,        -- nobody waits for the bank's answer; a job asks
  unreachable          boolean     not null default false,
  attempts             integer     not null default 0,
  status_after         text,
  refunded_after_minor bigint,
  created_at           timestamptz not null,
  finished_at          timestamptz,
  due_at               timestamptz,
  primary key (merchant_id, operation_id),
  constraint operations_due check ((due_at is not null) = (state = 'open'))
);
-- One refund per key, whoever asks first; a refused one without a client's key gives its place back.
create unique index operations_by_request on operations (merchant_id, payment_id, request_key) where request_key is not null;
create index operations_by_payment on operations (merchant_id, payment_id);
create index operations_due on operations (due_at) where due_at is not null;

-- Holds to be released at a bank, repeated until the bank confirms.
create table hold_releases (
  merchant_id        text        not null,
  payment_id         uuid        not null,
  bank_id            text        not null,
  authorization_code text,                                        -- null: release by the key sent with authorize
  attempts           integer     not null default 0,
  created_at         timestamptz not null,
  due_at             timestamptz,                                 -- null once released
  released_at        timestamptz,
  primary key (merchant_id, payment_id),
  constraint hold_releases_due check ((due_at is null) = (released_at is not null))
);
create index hold_releases_due on hold_releases (due_at) where due_at is not null;

-- Outcomes no program can settle: an operator asks the bank.
create table reconciliation (
  merchant_id  text        not null,
  payment_id   uuid        not null,
  operation_id uuid        not null,                              -- the payment's own id for an authorize
  order_id     text        not null,
  bank_id      text        not null,
  operation    text        not null check (operation in ('authorize', 'capture', 'void', 'refund')),
  amount_minor bigint      not null,
  currency     text        not null,
  reason       text        not null,
  created_at   timestamptz not null,
  primary key (merchant_id, payment_id, operation_id)
);
create index reconciliation_by_age on reconciliation (created_at, merchant_id, payment_id, operation_id);

-- What merchants are to be told, one row per state change, written in the statement that made the change.
create table outbox (
  merchant_id text        not null,
  event_id    uuid        not null,
  payment_id  uuid        not null,
  type        text        not null,
  body        text        not null,                               -- the exact text to sign and send
  created_at  timestamptz not null,
  primary key (merchant_id, event_id)
);
