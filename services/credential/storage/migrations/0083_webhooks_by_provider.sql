-- Each provider has a share of what is under way, so a claim looks at the due events of one provider after the other. The new index
-- serves whatever the one it replaces did.
-- At once in full: a lock that grows while others wait for it ends in a deadlock with whoever has the table already.
lock table webhook_events in access exclusive mode;
create index webhook_events_waiting on webhook_events (connector, due_at) where state = 'queued';
drop index webhook_events_due;
