-- A bank in a wallet, one for each user and bank. Its tokens are held elsewhere under `connection_id`.
create table enrolments (
  user_id                uuid not null references users,
  enrolment_id           uuid not null,
  bsim_id                text not null,
  state                  text not null check (state in ('active', 'reauth_required', 'removing', 'removed')),
  connection_id          text not null,
  fi_user_ref            text not null,            -- the bank's id of the person who owns the accounts
  credential_expires_at  timestamptz,
  reauth_reason          text,
  -- Who began it last: an enrolment made before the address was proved goes when the owner proves it from elsewhere.
  device_id              text,
  web_session_id         uuid,
  enrolled_at            timestamptz not null,
  updated_at             timestamptz not null,
  removing_at            timestamptz,
  removed_at             timestamptz,
  primary key (user_id, enrolment_id),
  check ((state = 'reauth_required') = (reauth_reason is not null)),
  check ((state = 'removed') = (removed_at is not null))
);
create unique index enrolments_live on enrolments (user_id, bsim_id) where state in ('active', 'reauth_required');
create index enrolments_removing on enrolments (removing_at) where state = 'removing';

-- One walk to a bank's consent page and back.
create table enrolment_attempts (
  user_id                uuid not null,            -- of the account to be made, while `new_account`
  attempt_id             uuid not null,
  bsim_id                text not null,
  state                  text not null check (state in ('started', 'exchanging', 'completed', 'expired', 'failed')),
  via                    text not null check (via in ('mobile', 'web', 'oidc')),
  state_hash             bytea not null unique,    -- keyed hash of the OAuth state; single use
  device_id              text,
  web_session_id         uuid,
  -- The payment page's interaction to go back to.
  resume_uid             text,
  new_account            boolean not null,
  pending_password_hash  text,
  started_at             timestamptz not null,
  expires_at             timestamptz not null,
  exchanging_at          timestamptz,
  ended_at               timestamptz,
  failure                text,
  primary key (user_id, attempt_id),
  check ((via = 'mobile') = (device_id is not null)),
  check ((via = 'mobile') = (web_session_id is null)),
  check ((via = 'oidc') = (resume_uid is not null)),
  check ((state in ('completed', 'expired', 'failed')) = (ended_at is not null))
);
create index enrolment_attempts_started on enrolment_attempts (expires_at) where state = 'started';
create index enrolment_attempts_exchanging on enrolment_attempts (exchanging_at) where state = 'exchanging';
