import { randomToken } from "../../platform/secrets/random-token.ts";
import { parseDeviceId, parsePlatform, tidyDeviceName } from "../domain/person-name.ts";
import { parsePushToken } from "../domain/push-token.ts";
import { upsertDevice } from "../storage/devices-store.ts";
import type { WalletDeps } from "./wallet-deps.ts";

const credentialLifetimeMs = 90 * 24 * 3600_000;

/**
 * Stores a phone, or updates the one with this id, and gives it a fresh credential, shown once; only its hash is kept.
 * Throws `INVALID_ARGUMENT`.
 */
export async function registerDevice(
  deps: Pick<WalletDeps, "clock" | "db" | "hash">,
  request: {
    readonly deviceId: string;
    readonly platform: string;
    readonly deviceName: string;
    readonly pushToken: string | undefined;
  },
): Promise<{ readonly deviceCredential: string; readonly expiresAt: Date }> {
  const now = deps.clock.now();
  const deviceCredential = randomToken(32);
  const expiresAt = new Date(now.getTime() + credentialLifetimeMs);
  await upsertDevice(deps.db.query, {
    deviceId: parseDeviceId(request.deviceId),
    platform: parsePlatform(request.platform),
    deviceName: tidyDeviceName(request.deviceName),
    credentialHash: deps.hash("device_credential", deviceCredential),
    credentialExpiresAt: expiresAt,
    pushToken: request.pushToken ? parsePushToken(request.pushToken) : undefined,
    now,
  });
  return { deviceCredential, expiresAt };
}
