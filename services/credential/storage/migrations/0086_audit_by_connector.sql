-- Which connector an act was of. Entries name it among their details; older ones are known by their connection, as long as that is there,
-- and what concerns webhooks by the provider's name in place of the institution's.
create or replace view connector_audit_logs as
  select e.tenant, o.user_id, e.action, e.at as timestamp, e.outcome, e.actor,
    coalesce(p.client_address, e.client_address) as ip_address, coalesce(p.user_agent, e.user_agent) as user_agent,
    e.connection_id, e.institution_id, e.duration_ms, e.details::jsonb as details, e.chain, e.sequence,
    coalesce(
      e.details::jsonb ->> 'connector',
      (select c.connector from connections c where c.tenant = e.tenant and c.connection_id = e.connection_id limit 1),
      case when e.details::jsonb ->> 'about' = 'webhook' then e.institution_id end
    ) as connector_id
  from audit_entries e
    left join audit_owners o on o.tenant = e.tenant and o.owner_hash = e.owner_hash
    left join audit_persons p on p.tenant = e.tenant and p.chain = e.chain and p.sequence = e.sequence;

-- Every act of TrueLayer's connector: also of consents that became no connection, and of connections that were erased.
create or replace view truelayer_audit_logs as
  select l.tenant, l.user_id, upper(l.action) as action, l.timestamp as created_at, l.outcome, l.actor, l.ip_address,
    l.user_agent, l.connection_id, l.institution_id as provider_id, l.duration_ms, l.details
  from connector_audit_logs l
  where l.connector_id = 'truelayer';
