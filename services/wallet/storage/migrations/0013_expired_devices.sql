-- For the sweep of registrations nobody renewed.
create index devices_expired on devices (credential_expires_at);
