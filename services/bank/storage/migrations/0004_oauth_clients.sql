-- Who may use the bank's OIDC server: wallets and merchants, registered by an operator.
create table oauth_clients (
  client_id                 text primary key,
  client_name               text not null,
  secret_hash               bytea,                -- HMAC-SHA-256 of the secret under the service's pepper; null = public client
  redirect_uris             text[] not null,
  scopes                    text[] not null,
  grant_types               text[] not null,
  post_logout_redirect_uris text[] not null default '{}',
  -- The id this merchant uses at the payment network; a consent token minted for the client is bound to it.
  merchant_id               text,
  active                    boolean not null default true,
  created_at                timestamptz not null default now(),
  updated_at                timestamptz not null default now()
);
