-- A person. The address is kept as typed for mail and in a normalised form for identity.
create table users (
  user_id           uuid primary key,
  email             text not null,
  email_normalised  text not null unique check (email_normalised = lower(email_normalised)),
  name              text not null,
  wallet_id         text not null unique,
  password_hash     text,                          -- scrypt with its parameters; null = signs in by code alone
  password_set_at   timestamptz,
  created_at        timestamptz not null,
  -- When a code sent to the address was first used. Until then whoever made the account may not be its owner.
  verified_at       timestamptz,
  updated_at        timestamptz not null
);
