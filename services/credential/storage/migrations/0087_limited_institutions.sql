-- Whether an institution is left alone because it asked for it (429), and not because it does not answer: callers are told so.
alter table refresh_circuits add column is_limit boolean not null default false;
