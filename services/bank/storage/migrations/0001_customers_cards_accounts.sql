-- The bank's people and what they hold. Money is bigint minor units of the row's currency throughout.

create table customers (
  id            uuid primary key,                -- the internal id, shown to wallets as bsim_user_id
  fi_user_ref   text not null unique,            -- pseudonymous reference, the `sub` of every token
  email         text not null,
  password_hash text not null,                   -- scrypt, parameters inside the text
  display_name  text not null,
  locale        text not null default 'en-CA',
  created_at    timestamptz not null default now(),
  updated_at    timestamptz not null default now(),
  constraint customers_email_lower check (email = lower(email))
);
create unique index customers_email on customers (email);

-- The full card number is not kept anywhere: only what may be printed on a page.
create table cards (
  id                 uuid primary key,
  customer_id        uuid not null references customers (id),
  brand              text not null check (brand in ('VISA', 'MC', 'AMEX', 'DISCOVER')),
  last_four          text not null check (last_four ~ '^[0-9]{4}$'),
  holder             text not null,
  expiry_month       smallint not null check (expiry_month between 1 and 12),
  expiry_year        smallint not null check (expiry_year between 2000 and 2199),
  status             text not null default 'active' check (status in ('active', 'inactive', 'closed')),
  currency           text not null default 'CAD' check (currency ~ '^[A-Z]{3}$'),
  credit_limit_minor bigint not null check (credit_limit_minor >= 0),
  -- What the customer owes: equals the balance of the card's receivable account in the ledger. May go
  -- below zero when a refund arrives after the bill was paid.
  owed_minor         bigint not null default 0,
  -- The sum of this card's PENDING authorizations, expired ones included until they are booked.
  held_minor         bigint not null default 0 check (held_minor >= 0),
  created_at         timestamptz not null default now(),
  updated_at         timestamptz not null default now()
) with (fillfactor = 70);
create index cards_customer on cards (customer_id, id);

-- Deposit accounts. The full number is not kept either: a masked one is all the bank ever shows.
create table accounts (
  id            uuid primary key,
  customer_id   uuid not null references customers (id),
  kind          text not null check (kind in ('CHEQUING', 'SAVINGS')),
  name          text not null,
  masked_number text not null check (masked_number ~ '^\*{4}[0-9]{4}$'),
  currency      text not null default 'CAD' check (currency ~ '^[A-Z]{3}$'),
  status        text not null default 'OPEN' check (status in ('OPEN', 'CLOSED')),
  -- What the bank owes the customer: the negative of the account's ledger balance.
  balance_minor bigint not null default 0 check (balance_minor >= 0),
  opened_on     date not null,
  created_at    timestamptz not null default now(),
  updated_at    timestamptz not null default now()
) with (fillfactor = 80);
create index accounts_customer on accounts (customer_id, id);
