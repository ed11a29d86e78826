-- A closed account has neither address nor name: the row stays until the holder of its secrets has confirmed that they are destroyed.
alter table users add column closed_at timestamptz;

create table account_erasures (
  user_id      uuid primary key references users,
  closed_at    timestamptz not null,
  next_try_at  timestamptz not null,
  tries        integer not null default 0
);
create index account_erasures_due on account_erasures (next_try_at);
