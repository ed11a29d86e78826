-- Which connections are to be synchronised next, those never yet first; and transactions by age, for retention.
create index connections_last_sync on connections (connector, last_sync_at nulls first) where state in ('ACTIVE', 'ERROR');
create index connections_retention on connections (tenant, user_id, connection_id) where settings ? 'retentionDays';
create index provider_transactions_age on provider_transactions (posted_at);
create index sync_runs_finished on sync_runs (finished_at) where finished_at is not null;
