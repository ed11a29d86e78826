-- Double entry. A posting's amount is signed: debits positive, credits negative, so an entry balances
-- when its postings sum to zero. Entries and postings are never changed: a mistake is reversed by another entry.

create table ledger_accounts (
  id         uuid primary key default gen_random_uuid(),
  kind       text not null check (kind in ('card_receivable', 'deposit', 'settlement', 'interchange_income', 'clearing')),
  card_id    uuid unique references cards (id),
  account_id uuid unique references accounts (id),
  currency   text not null check (currency ~ '^[A-Z]{3}$'),
  constraint ledger_accounts_owner check (
    (kind = 'card_receivable') = (card_id is not null) and (kind = 'deposit') = (account_id is not null)
  )
);
-- The bank's own accounts: one of each kind in each currency.
create unique index ledger_accounts_own on ledger_accounts (kind, currency)
  where card_id is null and account_id is null;

create table journal_entries (
  id               uuid primary key,
  kind             text not null check (kind in ('capture', 'refund', 'transfer', 'deposit', 'withdrawal', 'card_payment')),
  authorization_id uuid,
  description      text not null,
  posted_at        timestamptz not null
);
create index journal_entries_authorization on journal_entries (authorization_id) where authorization_id is not null;

create table postings (
  entry_id            uuid not null references journal_entries (id),
  line                smallint not null check (line between 1 and 20),
  ledger_account_id   uuid not null references ledger_accounts (id),
  amount_minor        bigint not null check (amount_minor <> 0),
  posted_at           timestamptz not null,
  -- The customer's balance after this posting, for statements; only on deposit accounts.
  balance_after_minor bigint,
  primary key (entry_id, line)
);
create index postings_account on postings (ledger_account_id, posted_at desc, entry_id desc, line desc);

create function assert_entry_balanced() returns trigger language plpgsql as $$
declare
  entry uuid;
  lines integer;
  total numeric;
  currencies integer;
begin
  if tg_table_name = 'postings' then entry := new.entry_id; else entry := new.id; end if;
  select count(*), coalesce(sum(p.amount_minor), 0), count(distinct a.currency)
    into lines, total, currencies
    from postings p join ledger_accounts a on a.id = p.ledger_account_id
   where p.entry_id = entry;
  if lines < 2 or total <> 0 or currencies <> 1 then
    raise exception 'journal entry % is not balanced: % postings, sum %, % currencies', entry, lines, total, currencies
      using errcode = 'check_violation', constraint = 'journal_entry_balanced';
  end if;
  return null;
end $$;

create constraint trigger journal_entries_balanced after insert on journal_entries
  deferrable initially deferred for each row execute function assert_entry_balanced();
create constraint trigger postings_balanced after insert on postings
  deferrable initially deferred for each row execute function assert_entry_balanced();

create function refuse_ledger_change() returns trigger language plpgsql as $$
begin
  raise exception 'the ledger is append-only: % on %', tg_op, tg_table_name using errcode = 'restrict_violation';
end $$;

create trigger journal_entries_append_only before update or delete on journal_entries
  for each statement execute function refuse_ledger_change();
create trigger postings_append_only before update or delete on postings
  for each statement execute function refuse_ledger_change();

-- Every card and deposit account has its ledger account from birth, whoever inserts it.
create function open_card_receivable() returns trigger language plpgsql as $$
begin
  insert into ledger_accounts (kind, card_id, currency) values ('card_receivable', new.id, new.currency);
  return null;
end $$;
create trigger cards_open_receivable after insert on cards for each row execute function open_card_receivable();

create function open_deposit_account() returns trigger language plpgsql as $$
begin
  insert into ledger_accounts (kind, account_id, currency) values ('deposit', new.id, new.currency);
  return null;
end $$;
create trigger accounts_open_deposit after insert on accounts for each row execute function open_deposit_account();
