import type { Transaction } from "../../platform/db/transaction.ts";
import { uuidv7 } from "../../platform/ids/uuidv7.ts";
import { insertDeviceSession, revokeSurplusSessions } from "../storage/device-sessions-store.ts";
import { upsertUserDevice } from "../storage/devices-store.ts";
import { insertRefreshToken } from "../storage/refresh-tokens-store.ts";
import type { WalletTables } from "../storage/tables.ts";
import { accessTokenLifetimeSeconds, type MobileTokens, refreshTokenLifetimeMs } from "./mobile-tokens.ts";
import type { WalletDeps } from "./wallet-deps.ts";

const sessionsPerDeviceMax = 10;

/** A phone's sign-in as stored, before its tokens are signed. */
export interface GrantedTokens {
  readonly userId: string;
  readonly deviceId: string;
  readonly sessionId: string;
  readonly jti: string;
  readonly issuedAt: Date;
  readonly expiresAt: Date;
}

/** Tokens as a phone gets them. */
export interface MobileTokenSet {
  readonly accessToken: string;
  readonly refreshToken: string;
  readonly expiresInSeconds: number;
}

/**
 * Stores a sign-in on a phone and its first refresh token, in the caller's transaction. The oldest of more than ten
 * sign-ins on one phone ends. `verified`: a code sent to the address stands behind it.
 */
export async function grantDeviceSession(
  deps: Pick<WalletDeps, "clock">,
  tx: Transaction<WalletTables>,
  device: {
    readonly userId: string;
    readonly deviceId: string;
    readonly deviceName: string | undefined;
    readonly platform: string | undefined;
    readonly verified: boolean;
  },
): Promise<GrantedTokens> {
  const now = deps.clock.now();
  const { userId, deviceId } = device;
  const granted: GrantedTokens = {
    userId,
    deviceId,
    sessionId: uuidv7(now.getTime()),
    jti: uuidv7(now.getTime()),
    issuedAt: now,
    expiresAt: new Date(now.getTime() + refreshTokenLifetimeMs),
  };
  await upsertUserDevice(tx, { userId, deviceId, deviceName: device.deviceName, platform: device.platform, now });
  await insertDeviceSession(tx, { ...granted, verified: device.verified, now });
  await insertRefreshToken(tx, { ...granted, now });
  await revokeSurplusSessions(tx, { userId, deviceId, keep: sessionsPerDeviceMax, now });
  return granted;
}

/** Signs the tokens of a stored sign-in. Signing the same one again gives tokens of equal meaning. */
export async function signTokenSet(tokens: MobileTokens, granted: GrantedTokens): Promise<MobileTokenSet> {
  const [accessToken, refreshToken] = await Promise.all([tokens.signAccess(granted), tokens.signRefresh(granted)]);
  return { accessToken, refreshToken, expiresInSeconds: accessTokenLifetimeSeconds };
}
