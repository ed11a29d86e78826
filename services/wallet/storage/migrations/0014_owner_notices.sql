-- What people are told of their connections. The id is that of the connections' holder, so a notice handed out twice is told once.
create table owner_notices (
  user_id          uuid not null references users on delete cascade,
  notice_id        uuid not null,
  connection_id    text not null,
  connector        text not null,
  place            text not null,                  -- the bank or service, as people know it
  kind             text not null,
  created_at       timestamptz not null,
  consent_ends_at  timestamptz,
  received_at      timestamptz not null,
  mail             text not null check (mail in ('none', 'waiting', 'sent')),
  mailed_at        timestamptz,
  -- Not shown any more: hidden by the person, overtaken by a newer one, or no longer true.
  over_at          timestamptz,
  primary key (user_id, notice_id),
  check ((mail = 'sent') = (mailed_at is not null))
);
create index owner_notices_to_mail on owner_notices (user_id) where mail = 'waiting';
create index owner_notices_old on owner_notices (received_at);
