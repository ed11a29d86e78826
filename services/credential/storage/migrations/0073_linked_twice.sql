-- A keyed hash of what a connection's accounts are called at every consent, where the provider says so: by it the same bank, linked
-- once more under another name of the consent, is found.
alter table connections add column accounts_hash bytea;
create unique index connections_same_accounts on connections (tenant, user_id, connector, institution_id, accounts_hash)
  where state <> 'REVOKED' and accounts_hash is not null;
