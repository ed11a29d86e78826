-- What the Registry last said, so that a start without it knows the banks and the merchants' OAuth clients.
create table registry_snapshot (
  kind        text not null check (kind in ('bank', 'oauth_client')),
  id          text not null,
  body        jsonb not null,
  revision    bigint not null,
  updated_at  timestamptz not null,
  primary key (kind, id)
);
