-- Consents that ended without a connection and may have left a user at the provider.
create index connect_attempts_left on connect_attempts (expires_at) where status in ('started', 'failed');
