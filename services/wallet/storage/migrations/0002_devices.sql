-- What a phone said of itself before anyone signed in on it. Nobody is proved by this row.
create table devices (
  device_id              text primary key check (length(device_id) between 1 and 128),
  platform               text not null check (platform in ('ios', 'android')),
  device_name            text not null,
  credential_hash        bytea not null,           -- keyed hash; the credential itself is shown once
  credential_expires_at  timestamptz not null,
  push_token             text,
  created_at             timestamptz not null,
  updated_at             timestamptz not null
);

-- A phone as one user's. Keyed by both, so that knowing somebody's device id gives no hold on their phone.
create table user_devices (
  user_id             uuid not null references users,
  device_id           text not null,
  platform            text not null check (platform in ('ios', 'android', 'unknown')),
  device_name         text not null,
  push_token          text,
  push_token_type     text check (push_token_type in ('apns', 'fcm', 'expo')),
  push_registered_at  timestamptz,
  created_at          timestamptz not null,
  updated_at          timestamptz not null,
  primary key (user_id, device_id),
  check ((push_token is null) = (push_token_type is null))
);
create index user_devices_by_device on user_devices (device_id);
-- A push token belongs to the phone's present user alone.
create unique index user_devices_push_token on user_devices (push_token) where push_token is not null;
