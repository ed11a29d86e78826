create table counters (
  name text primary key,
  value bigint not null default 0,
  ratio numeric not null default 0.5,
  changed_at timestamptz not null default now()
);
