-- Keys that sign the tokens of phones, made by this deployment; private halves sealed. The newest signs, all verify.
create table mobile_signing_keys (
  kid             text primary key,
  slot            integer not null unique,         -- the first replica to take a slot makes its key
  public_jwk      jsonb not null,
  sealed_private  bytea not null,
  created_at      timestamptz not null
);
