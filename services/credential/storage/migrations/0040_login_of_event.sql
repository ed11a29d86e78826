-- Where a provider's name for a connection is that of the user, and he has several: which of them an event is about, as their
-- owner_reference; null for all.
alter table webhook_events add column owner_reference text;
