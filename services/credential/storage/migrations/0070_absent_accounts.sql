-- Since when a provider has not named an account any more; null for those it names. Some leave one out for a while: its transactions are
-- not shown meanwhile, and go with it when it does not come back.
alter table provider_accounts add column absent_since timestamptz;
create index provider_accounts_absent on provider_accounts (absent_since) where absent_since is not null;

create or replace view connector_connections as
  select c.connection_id as id, c.tenant, c.user_id, c.connector as connector_id, c.institution_id, c.institution_name,
    (select coalesce(jsonb_agg(jsonb_build_object('id', a.account_id, 'type', a.account_type, 'name', a.display_name,
        'mask', a.masked_number, 'currency', a.currency) order by a.account_id), '[]'::jsonb)
      from provider_accounts a
      where a.tenant = c.tenant and a.user_id = c.user_id and a.connection_id = c.connection_id and a.absent_since is null)
      as accounts,
    case
      when c.state = 'ACTIVE' and exists (select from sync_runs s where s.tenant = c.tenant and s.user_id = c.user_id
        and s.connection_id = c.connection_id and s.state = 'running') then 'syncing'
      when c.state = 'ACTIVE' then 'connected'
      else lower(c.state)
    end as status,
    c.state_reason as status_reason, c.last_sync_at as last_sync, c.settings, c.access_token_expires_at as expires_at,
    c.consent_expires_at, c.connected_at as created_at, c.updated_at
  from connections c;
