-- The browser that began a consent, as a keyed hash of what its cookie holds; null where an app began it, which has none.
alter table connect_attempts add column browser_hash bytea;
