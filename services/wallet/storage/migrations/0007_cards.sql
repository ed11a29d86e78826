-- A card a person shared from a bank. Its id and walletCardToken are permanent: removed and shared again it is the same row.
create table cards (
  user_id            uuid not null references users,
  card_id            uuid not null,
  enrolment_id       uuid not null,
  bsim_id            text not null,
  card_ref           text not null,                -- the bank's own reference, given back to that bank alone
  card_type          text not null,
  card_holder        text not null,
  last_four          text not null check (last_four ~ '^[0-9]{0,4}$'),
  expiry_month       integer not null,
  expiry_year        integer not null,
  wallet_card_token  text not null unique,
  -- `inactive`: no longer shared by the bank; `removed`: by the user.
  state              text not null check (state in ('active', 'inactive', 'removed')),
  is_default         boolean not null default false,
  added_at           timestamptz not null,
  updated_at         timestamptz not null,
  primary key (user_id, card_id),
  unique (user_id, bsim_id, card_ref),
  foreign key (user_id, enrolment_id) references enrolments,
  check (not is_default or state = 'active')
);
create unique index cards_one_default on cards (user_id) where is_default;
create index cards_by_enrolment on cards (user_id, enrolment_id);
