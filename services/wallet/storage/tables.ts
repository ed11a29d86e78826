import type { ColumnType, Kysely } from "kysely";

/** A column the database gives as it was stored, or null. */
type Nullable<T> = ColumnType<T | null, T | null | undefined, T | null>;
/** jsonb: written as text, read as parsed JSON. */
type Json = ColumnType<unknown, string, string>;

export interface UsersTable {
  user_id: string;
  email: string;
  email_normalised: string;
  name: string;
  wallet_id: string;
  password_hash: Nullable<string>;
  password_set_at: Nullable<Date>;
  created_at: Date;
  verified_at: Nullable<Date>;
  updated_at: Date;
  closed_at: Nullable<Date>;
}

export interface DevicesTable {
  device_id: string;
  platform: string;
  device_name: string;
  credential_hash: Buffer;
  credential_expires_at: Date;
  push_token: Nullable<string>;
  created_at: Date;
  updated_at: Date;
}

export interface UserDevicesTable {
  user_id: string;
  device_id: string;
  platform: string;
  device_name: string;
  push_token: Nullable<string>;
  push_token_type: Nullable<string>;
  push_registered_at: Nullable<Date>;
  created_at: Date;
  updated_at: Date;
}

export interface DeviceSessionsTable {
  user_id: string;
  session_id: string;
  device_id: string;
  verified: boolean;
  created_at: Date;
  expires_at: Date;
  revoked_at: Nullable<Date>;
  revoked_reason: Nullable<string>;
}

export interface RefreshTokensTable {
  user_id: string;
  jti: string;
  session_id: string;
  state: string;
  issued_at: Date;
  expires_at: Date;
  rotated_at: Nullable<Date>;
  replaced_by: Nullable<string>;
  answered_at: Nullable<Date>;
}

export interface RefusedRefreshesTable {
  subject_hash: Buffer;
  until: Date;
}

export interface SignInChallengesTable {
  challenge_hash: Buffer;
  email_normalised: string;
  purpose: string;
  device_id: Nullable<string>;
  code_hash: Buffer;
  tries: ColumnType<number, number | undefined, number>;
  created_at: Date;
  expires_at: Date;
  spent_at: Nullable<Date>;
  pending_email: Nullable<string>;
  pending_name: Nullable<string>;
  pending_password_hash: Nullable<string>;
}

export interface OutgoingMailTable {
  mail_id: string;
  sealed: Buffer;
  deliver: boolean;
  created_at: Date;
  expires_at: Date;
}

export interface WebSessionsTable {
  session_hash: Buffer;
  session_id: string;
  user_id: Nullable<string>;
  verified: boolean;
  created_at: Date;
  expires_at: Date;
  revoked_at: Nullable<Date>;
}

export interface EnrolmentsTable {
  user_id: string;
  enrolment_id: string;
  bsim_id: string;
  state: string;
  connection_id: string;
  fi_user_ref: string;
  credential_expires_at: Nullable<Date>;
  reauth_reason: Nullable<string>;
  device_id: Nullable<string>;
  web_session_id: Nullable<string>;
  enrolled_at: Date;
  updated_at: Date;
  removing_at: Nullable<Date>;
  removed_at: Nullable<Date>;
}

export interface EnrolmentAttemptsTable {
  user_id: string;
  attempt_id: string;
  bsim_id: string;
  state: string;
  via: string;
  state_hash: Buffer;
  device_id: Nullable<string>;
  web_session_id: Nullable<string>;
  resume_uid: Nullable<string>;
  new_account: boolean;
  pending_password_hash: Nullable<string>;
  started_at: Date;
  expires_at: Date;
  exchanging_at: Nullable<Date>;
  ended_at: Nullable<Date>;
  failure: Nullable<string>;
}

export interface CardsTable {
  user_id: string;
  card_id: string;
  enrolment_id: string;
  bsim_id: string;
  card_ref: string;
  card_type: string;
  card_holder: string;
  last_four: string;
  expiry_month: number;
  expiry_year: number;
  wallet_card_token: string;
  state: string;
  is_default: ColumnType<boolean, boolean | undefined, boolean>;
  added_at: Date;
  updated_at: Date;
}

export interface MobileSigningKeysTable {
  kid: string;
  slot: number;
  public_jwk: Json;
  sealed_private: Buffer;
  created_at: Date;
}

export interface RegistrySnapshotTable {
  kind: string;
  id: string;
  body: Json;
  revision: bigint;
  updated_at: Date;
}

export interface OwnerNoticesTable {
  user_id: string;
  notice_id: string;
  connection_id: string;
  connector: string;
  place: string;
  kind: string;
  created_at: Date;
  consent_ends_at: Nullable<Date>;
  received_at: Date;
  mail: string;
  mailed_at: Nullable<Date>;
  over_at: Nullable<Date>;
}

export interface AccountErasuresTable {
  user_id: string;
  closed_at: Date;
  next_try_at: Date;
  tries: ColumnType<number, number | undefined, number>;
}

/** Every table of the wallet's own half; the OIDC provider's tables are described beside its adapter. */
export interface WalletTables {
  users: UsersTable;
  devices: DevicesTable;
  user_devices: UserDevicesTable;
  device_sessions: DeviceSessionsTable;
  refresh_tokens: RefreshTokensTable;
  refused_refreshes: RefusedRefreshesTable;
  sign_in_challenges: SignInChallengesTable;
  outgoing_mail: OutgoingMailTable;
  web_sessions: WebSessionsTable;
  enrolments: EnrolmentsTable;
  enrolment_attempts: EnrolmentAttemptsTable;
  cards: CardsTable;
  mobile_signing_keys: MobileSigningKeysTable;
  registry_snapshot: RegistrySnapshotTable;
  owner_notices: OwnerNoticesTable;
  account_erasures: AccountErasuresTable;
}

/** Either the pool or a transaction: stores do not care which. */
export type Executor = Kysely<WalletTables>;
