-- Numbers one replica has counted for all of them.
create table statistics_snapshots (
  name text primary key,
  -- By the database's clock, and by the clock of who took it, which is the time they are told with.
  taken_at timestamptz,
  told_at timestamptz,
  took_ms integer not null default 0 check (took_ms >= 0),
  -- Who counts now has it until then.
  lease_until timestamptz,
  numbers jsonb,
  check ((taken_at is null) = (numbers is null) and (taken_at is null) = (told_at is null))
);
-- Runs come in the order of time: ranges of pages are index enough for those of the last day.
create index sync_runs_requested on sync_runs using brin (requested_at);
