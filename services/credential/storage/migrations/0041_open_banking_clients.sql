-- Clients of firms at an aggregator: which customer each is there, and how far his consent got. The firm is the tenant, its client the user.
create table aggregator_customers (
  tenant text not null,
  user_id text not null,
  connector text not null,
  customer_id text not null,
  customer_type text not null check (customer_type in ('testing', 'active')),
  state text not null check (state in ('not_linked', 'pending', 'linked', 'error')),
  -- The newest step the provider told of, and its code when it went wrong; empty before any.
  step text not null default '',
  error_code text not null default '',
  created_at timestamptz not null,
  updated_at timestamptz not null,
  primary key (tenant, user_id, connector),
  unique (connector, customer_id)
);

-- Consents asked for by e-mail.
create table connect_emails (
  tenant text not null,
  user_id text not null,
  email_id uuid not null,
  connector text not null,
  status text not null check (status in ('sending', 'sent', 'failed')),
  -- Address and link, sealed under the client's own key: they go when he is erased.
  data_key_id uuid not null,
  sealed_details bytea not null,
  expires_at timestamptz,
  created_at timestamptz not null,
  primary key (tenant, user_id, email_id)
);
create index connect_emails_created on connect_emails (tenant, user_id, created_at desc);

-- A firm names an account without its client.
create index provider_accounts_tenant on provider_accounts (tenant, account_id);
create index connections_login on connections (tenant, connector, owner_reference);
