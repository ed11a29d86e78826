-- One sign-in on one device: the family of its refresh tokens and the thing an access token is revoked by.
create table device_sessions (
  user_id         uuid not null references users,
  session_id      uuid not null,
  device_id       text not null,
  -- Whether a proof of the address (a code) stands behind this sign-in.
  verified        boolean not null,
  created_at      timestamptz not null,
  expires_at      timestamptz not null,
  revoked_at      timestamptz,
  revoked_reason  text check (revoked_reason in ('signed_out', 'token_reused', 'replaced', 'unverified', 'account')),
  primary key (user_id, session_id),
  check ((revoked_at is null) = (revoked_reason is null))
);
create index device_sessions_live on device_sessions (user_id, device_id, created_at) where revoked_at is null;
create index device_sessions_by_device on device_sessions (device_id) where revoked_at is null;
create index device_sessions_expired on device_sessions (expires_at);

-- A refresh token works once. The row is kept after use so that a second use is seen.
create table refresh_tokens (
  user_id      uuid not null,
  jti          uuid not null,
  session_id   uuid not null,
  state        text not null check (state in ('active', 'rotated')),
  issued_at    timestamptz not null,
  expires_at   timestamptz not null,
  rotated_at   timestamptz,
  replaced_by  uuid,
  -- When the answer that carried the successor was handed over. While null, a repeat is given the same successor.
  answered_at  timestamptz,
  primary key (user_id, jti),
  foreign key (user_id, session_id) references device_sessions on delete cascade,
  check ((state = 'rotated') = (rotated_at is not null and replaced_by is not null))
);
create index refresh_tokens_by_session on refresh_tokens (user_id, session_id);

-- Bad refreshes seen lately, by hash of token, device and address: the second one is told to stop (429).
create table refused_refreshes (
  subject_hash  bytea primary key,
  until         timestamptz not null
);
create index refused_refreshes_until on refused_refreshes (until);
