-- A claim changes no column of an index any more: its new version of the row stays on the page of the old one, and no index of the
-- connections is written. Whoever looks for flights that a dead process left finds them through their intents.
-- Both at once and in full: a lock that grows while others wait for it ends in a deadlock with whoever has the table already.
lock table connections, refresh_intents in access exclusive mode;
create index connections_refresh_due on connections (connector, institution_id, refresh_due_at) where refresh_due_at is not null;
drop index connections_refresh_queue;
drop index connections_flights;
drop index connections_refresh_unsettled;
create index connections_refresh_unsettled on connections (refresh_due_at) where refresh_unsettled;

-- True of a flight that has ended, or was taken over, and whose answer is still missing.
alter table refresh_intents add column is_over boolean not null default false;
create index refresh_intents_under_way on refresh_intents (begun_at) where not is_over;
