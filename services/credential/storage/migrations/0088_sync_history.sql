-- How many accounts the provider named in a run; null where it named none of them anew, and for runs of before this column.
alter table sync_runs add column accounts integer;

-- What was fetched, when, and what came of it; for operators' own queries. Gone with its connection, and after a while.
create view connector_sync_history as
  select r.run_id as id, r.connector as connector_id, r.tenant, r.user_id, r.connection_id, r.kind, r.trigger, r.requested_by,
    -- queued, running, succeeded or failed.
    r.state as status, r.accounts, r.added as transactions_added, r.changed as transactions_changed,
    r.removed as transactions_removed, r.pages, r.attempts,
    -- A stable word; of a run that waits, why its last try failed. Empty otherwise.
    r.error, r.requested_at, r.started_at, r.finished_at,
    -- From the first try's start to the last one's end, the pauses between them included.
    round(extract(epoch from r.finished_at - r.started_at) * 1000)::bigint as duration_ms
  from sync_runs r;
