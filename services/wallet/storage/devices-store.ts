import { sql } from "kysely";
import type { Executor } from "./tables.ts";

export type PushTokenType = "apns" | "fcm" | "expo";

export interface DeviceRegistration {
  readonly deviceId: string;
  readonly platform: "ios" | "android";
  readonly deviceName: string;
  readonly credentialHash: Buffer;
  readonly credentialExpiresAt: Date;
  readonly pushToken: string | undefined;
  readonly now: Date;
}

/**
 * Stores what a phone says of itself, or replaces it. Nobody is proved here, so a push token is taken only while nobody is
 * signed in on a phone of this id: later it changes by its user alone.
 */
export async function upsertDevice(db: Executor, device: DeviceRegistration): Promise<void> {
  const pushToken = sql<string | null>`case
    when exists (select 1 from user_devices where user_devices.device_id = ${device.deviceId}) then null
    else ${device.pushToken ?? null}::text end`;
  await db
    .insertInto("devices")
    .values({
      device_id: device.deviceId,
      platform: device.platform,
      device_name: device.deviceName,
      credential_hash: device.credentialHash,
      credential_expires_at: device.credentialExpiresAt,
      push_token: pushToken,
      created_at: device.now,
      updated_at: device.now,
    })
    .onConflict((conflict) =>
      conflict.column("device_id").doUpdateSet((set) => ({
        platform: set.ref("excluded.platform"),
        device_name: set.ref("excluded.device_name"),
        credential_hash: set.ref("excluded.credential_hash"),
        credential_expires_at: set.ref("excluded.credential_expires_at"),
        push_token: sql<string | null>`coalesce(excluded.push_token, devices.push_token)`,
        updated_at: set.ref("excluded.updated_at"),
      })),
    )
    .execute();
}

/** What a sign-in says of its phone; absent members come from the phone's registration. */
export interface SignedInDevice {
  readonly userId: string;
  readonly deviceId: string;
  readonly platform: string | undefined;
  readonly deviceName: string | undefined;
  readonly now: Date;
}

/**
 * Makes a phone one of the user's, or updates it. A push token from before the sign-in is taken over by the first user of
 * the phone, once.
 */
export async function upsertUserDevice(db: Executor, device: SignedInDevice): Promise<void> {
  await sql`
    with registration as (
      select platform, device_name, push_token from devices where device_id = ${device.deviceId}
    ), taken as (
      update devices set push_token = null where device_id = ${device.deviceId} and push_token is not null
    ), free_token as (
      select r.push_token from registration r
      where r.push_token is not null and not exists (select 1 from user_devices u where u.push_token = r.push_token)
    )
    insert into user_devices
      (user_id, device_id, platform, device_name, push_token, push_token_type, push_registered_at, created_at, updated_at)
    values (
      ${device.userId}, ${device.deviceId},
      coalesce(${device.platform ?? null}, (select platform from registration), 'unknown'),
      coalesce(${device.deviceName ?? null}, (select device_name from registration), ''),
      (select push_token from free_token),
      case when exists (select 1 from free_token) then 'expo' end,
      case when exists (select 1 from free_token) then ${device.now}::timestamptz end,
      ${device.now}, ${device.now}
    )
    on conflict (user_id, device_id) do update set
      platform = coalesce(${device.platform ?? null}, user_devices.platform),
      device_name = coalesce(${device.deviceName ?? null}, user_devices.device_name),
      updated_at = excluded.updated_at`.execute(db);
}

/** Who of other users is signed in on a phone of this id right now. */
export async function isDeviceSignedInByOther(
  db: Executor,
  by: { readonly deviceId: string; readonly userId: string | undefined; readonly now: Date },
): Promise<boolean> {
  let query = db
    .selectFrom("device_sessions")
    .select("session_id")
    .where("device_id", "=", by.deviceId)
    .where("revoked_at", "is", null)
    .where("expires_at", ">", by.now);
  if (by.userId !== undefined) query = query.where("user_id", "!=", by.userId);
  return (await query.limit(1).executeTakeFirst()) !== undefined;
}

/**
 * Stores the push token of one of the user's phones; false when the user has no such phone. The token leaves whichever
 * phone had it, for a token names one installation. Runs in the caller's transaction.
 */
export async function setPushToken(
  db: Executor,
  change: {
    readonly userId: string;
    readonly deviceId: string;
    readonly pushToken: string;
    readonly tokenType: PushTokenType;
    readonly now: Date;
  },
): Promise<boolean> {
  await db
    .updateTable("user_devices")
    .set({ push_token: null, push_token_type: null, push_registered_at: null })
    .where("push_token", "=", change.pushToken)
    .execute();
  const result = await db
    .updateTable("user_devices")
    .set({
      push_token: change.pushToken,
      push_token_type: change.tokenType,
      push_registered_at: change.now,
      updated_at: change.now,
    })
    .where("user_id", "=", change.userId)
    .where("device_id", "=", change.deviceId)
    .executeTakeFirst();
  return result.numUpdatedRows === 1n;
}

/** Forgets the push token of one of the user's phones; false when the user has no such phone. */
export async function clearPushToken(
  db: Executor,
  change: { readonly userId: string; readonly deviceId: string; readonly now: Date },
): Promise<boolean> {
  const result = await db
    .updateTable("user_devices")
    .set({ push_token: null, push_token_type: null, push_registered_at: null, updated_at: change.now })
    .where("user_id", "=", change.userId)
    .where("device_id", "=", change.deviceId)
    .executeTakeFirst();
  return result.numUpdatedRows === 1n;
}

/** Whether somebody else than this user has a phone of this id: tells "not yours" from "unknown". */
export async function isDeviceOfOther(db: Executor, deviceId: string, userId: string): Promise<boolean> {
  const row = await db
    .selectFrom("user_devices")
    .select("user_id")
    .where("device_id", "=", deviceId)
    .where("user_id", "!=", userId)
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}

/** Deletes up to `limit` registrations whose credential ended before `now`; returns how many went. Users' phones stay. */
export async function deleteExpiredDevices(db: Executor, now: Date, limit: number): Promise<number> {
  const result = await db
    .deleteFrom("devices")
    .where("device_id", "in", (expired) =>
      expired
        .selectFrom("devices")
        .select("device_id")
        .where("credential_expires_at", "<=", now)
        .limit(limit)
        .forUpdate()
        .skipLocked(),
    )
    .executeTakeFirst();
  return Number(result.numDeletedRows);
}
