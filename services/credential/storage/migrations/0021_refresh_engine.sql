-- What a replica is about to ask a provider, written with the claim and gone with its outcome: an intent that stays behind says
-- that the provider may have acted on a refresh whose answer nobody has.
create table refresh_intents (
  tenant text not null,
  user_id text not null,
  connection_id uuid not null,
  epoch bigint not null,
  generation integer not null,
  token_version bigint not null,
  holder text not null,
  begun_at timestamptz not null default clock_timestamp(),
  primary key (tenant, user_id, connection_id, epoch),
  foreign key (tenant, user_id, connection_id) references connections on delete cascade
);

-- One queue an institution: a provider that is slow or down keeps nobody else's connections waiting.
create index connections_refresh_queue on connections (connector, institution_id, refresh_due_at)
  where refresh_due_at is not null and refresh_holder is null;
drop index connections_refresh_due;

-- Institutions that are not asked for the time being; a row goes when one answers again. Times are the database's.
create table refresh_circuits (
  connector text not null,
  institution_id text not null,
  -- Openings in a row: each waits longer.
  openings integer not null,
  opened_at timestamptz not null,
  open_until timestamptz not null,
  -- One replica at a time finds out whether it answers again.
  probe_until timestamptz,
  primary key (connector, institution_id)
);

-- What owners are to be told: written with the change it tells of, handed out under a lease until it is acknowledged.
create table owner_notices (
  tenant text not null,
  user_id text not null,
  notice_id uuid not null,
  connection_id uuid not null,
  connector text not null,
  institution_id text not null,
  kind text not null check (kind in ('reauthorization_required', 'provider_down', 'misconfigured', 'recovered')),
  reason text not null,
  created_at timestamptz not null,
  taken_until timestamptz,
  primary key (tenant, user_id, notice_id),
  foreign key (tenant, user_id, connection_id) references connections on delete cascade
);
create index owner_notices_waiting on owner_notices (tenant, created_at);
create index owner_notices_id on owner_notices (notice_id);
