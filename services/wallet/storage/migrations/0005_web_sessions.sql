-- A browser's session, cookie `wsim.sid`. Without a user it only ties an enrolment to the browser that began it.
create table web_sessions (
  session_hash  bytea primary key,                 -- keyed hash of the cookie
  session_id    uuid not null unique,
  user_id       uuid references users,
  -- Whether a proof of the address (a code) stands behind this sign-in.
  verified      boolean not null,
  created_at    timestamptz not null,
  expires_at    timestamptz not null,
  revoked_at    timestamptz
);
create index web_sessions_by_user on web_sessions (user_id) where revoked_at is null;
create index web_sessions_expired on web_sessions (expires_at);
