-- Durations of the last day are read from the trail. Entries come in the order of time, so ranges of pages are index enough, and cost
-- an append next to nothing.
create index audit_entries_at on audit_entries using brin (at);
