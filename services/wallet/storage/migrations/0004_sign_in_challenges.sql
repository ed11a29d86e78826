-- A code sent by mail. Rows for addresses without an account look and cost the same, and lead nowhere.
create table sign_in_challenges (
  challenge_hash         bytea primary key,         -- keyed hash of the challenge the client holds
  email_normalised       text not null,
  purpose                text not null check (purpose in ('mobile', 'web')),
  device_id              text,
  code_hash              bytea not null,
  tries                  integer not null default 0 check (tries between 0 and 5),
  created_at             timestamptz not null,
  expires_at             timestamptz not null,
  spent_at               timestamptz,
  -- A sign-up on the web makes the account only once the code is used, so an address cannot be squatted.
  pending_email          text,
  pending_name           text,
  pending_password_hash  text,
  check ((purpose = 'mobile') = (device_id is not null)),
  check ((pending_email is null) = (pending_name is null))
);
create index sign_in_challenges_open on sign_in_challenges (email_normalised, device_id, created_at desc)
  where spent_at is null;
create index sign_in_challenges_expired on sign_in_challenges (expires_at);

-- Mail waiting to leave. The body is sealed: a code in it is as good as the mailbox. The row goes once the mail is sent.
create table outgoing_mail (
  mail_id     uuid primary key,
  sealed      bytea not null,
  -- False for an address without an account: the work is the same, the mail is not sent.
  deliver     boolean not null,
  created_at  timestamptz not null,
  expires_at  timestamptz not null
);
create index outgoing_mail_expired on outgoing_mail (expires_at);
