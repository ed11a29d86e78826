-- A consent taken back at the provider is told of too.
alter table owner_notices drop constraint owner_notices_kind_check;
alter table owner_notices add constraint owner_notices_kind_check
  check (kind in ('reauthorization_required', 'provider_down', 'misconfigured', 'recovered', 'consent_expiring', 'consent_revoked'));
