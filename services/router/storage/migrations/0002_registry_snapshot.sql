-- The last good picture of banks and merchants, sealed: it holds the keys banks gave us.
create table registry_snapshot (
  only_row boolean     primary key default true check (only_row),
  revision bigint      not null,
  sealed   bytea       not null,
  saved_at timestamptz not null
);
