-- A person's way through the authorization page, from the link to the code or the refusal.
create table authorizations (
  authorization_id uuid primary key,
  redirect_uri text not null,
  state text,
  stage text not null check (stage in ('open', 'signed_in', 'granted', 'denied')),
  attempts integer not null default 0,
  username text,
  expires_at timestamptz not null
);
create index authorizations_expiry on authorizations (expires_at);

create table authorization_codes (
  code_hash bytea primary key,
  redirect_uri text not null,
  username text not null,
  profile_id bigint not null,
  expires_at timestamptz not null,
  used_at timestamptz
);
create index authorization_codes_expiry on authorization_codes (expires_at);

-- What a person let the application do for one of his profiles.
create table grants (
  grant_id uuid primary key,
  username text not null,
  profile_id bigint not null,
  state text not null check (state in ('active', 'reclaimed')),
  refresh_token_hash bytea not null unique,
  refresh_expires_at timestamptz not null,
  refresh_count integer not null default 0,
  -- Until when statements are shown without a strong authentication; null before the first.
  authenticated_until timestamptz,
  created_at timestamptz not null
);

create table access_tokens (
  token_hash bytea primary key,
  -- Null for the application's own token.
  grant_id uuid references grants on delete cascade,
  expires_at timestamptz not null
);
create index access_tokens_grant on access_tokens (grant_id);
create index access_tokens_expiry on access_tokens (expires_at);

-- One-time tokens of strong authentications that were asked for.
create table approvals (
  approval_id uuid primary key,
  grant_id uuid not null references grants on delete cascade,
  expires_at timestamptz not null,
  used_at timestamptz
);
create index approvals_expiry on approvals (expires_at);

-- The key the application registered for strong authentications.
create table approval_key (
  one boolean primary key default true check (one),
  public_key text not null
);

create table subscriptions (
  subscription_id uuid primary key,
  name text not null,
  domain text not null check (domain in ('profile', 'application')),
  -- The profile's id, or the application's key.
  scope_id text not null,
  trigger_on text not null,
  version text not null,
  url text not null,
  created_at timestamptz not null
);
create index subscriptions_scope on subscriptions (domain, scope_id);

-- Transactions the control API puts onto a balance, beside its regular statement.
create table posted_transactions (
  posted_id uuid primary key,
  balance_id bigint not null,
  at timestamptz not null,
  minor bigint not null,
  description text not null,
  kind text not null,
  pending boolean not null
);
create index posted_transactions_by_balance on posted_transactions (balance_id, at);
