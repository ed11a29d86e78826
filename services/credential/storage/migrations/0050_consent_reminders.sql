-- Owners are told ahead of time that a consent ends: which end they were told of last, and when.
alter table connections
  add column reminded_of timestamptz,
  add column reminded_at timestamptz;

alter table owner_notices drop constraint owner_notices_kind_check;
alter table owner_notices add constraint owner_notices_kind_check
  check (kind in ('reauthorization_required', 'provider_down', 'misconfigured', 'recovered', 'consent_expiring'));
