import { inTransaction } from "../../platform/db/transaction.ts";
import { DomainError } from "../../platform/errors/domain-error.ts";
import { parsePushToken, parsePushTokenType } from "../domain/push-token.ts";
import { clearPushToken, isDeviceOfOther, setPushToken } from "../storage/devices-store.ts";
import type { WalletDeps } from "./wallet-deps.ts";

/** The phone that calls, by its token. */
interface CallingPhone {
  readonly userId: string;
  readonly deviceId: string;
}

/** Stores the push token of the calling phone. Throws `PERMISSION_DENIED` when it names another, `NOT_FOUND`. */
export async function registerPushToken(
  deps: Pick<WalletDeps, "clock" | "db">,
  phone: CallingPhone,
  request: {
    readonly pushToken: string;
    readonly tokenType: string | undefined;
    readonly deviceId: string | undefined;
  },
): Promise<Date> {
  if (request.deviceId && request.deviceId !== phone.deviceId) throw new DomainError("PERMISSION_DENIED");
  const pushToken = parsePushToken(request.pushToken);
  const tokenType = parsePushTokenType(request.tokenType);
  const now = deps.clock.now();
  await inTransaction(deps.db, async (tx) => {
    if (!(await setPushToken(tx, { ...phone, pushToken, tokenType, now }))) throw new DomainError("NOT_FOUND");
  });
  return now;
}

/**
 * Ends notifications to the calling phone. Throws `PERMISSION_DENIED` for another phone, `NOT_FOUND` for one nobody has.
 */
export async function forgetPushToken(
  deps: Pick<WalletDeps, "clock" | "db">,
  phone: CallingPhone,
  deviceId: string,
): Promise<void> {
  const { userId } = phone;
  if (deviceId !== "" && deviceId !== phone.deviceId) {
    const foreign = await isDeviceOfOther(deps.db.query, deviceId, userId);
    throw new DomainError(foreign ? "PERMISSION_DENIED" : "NOT_FOUND");
  }
  const now = deps.clock.now();
  if (!(await clearPushToken(deps.db.query, { userId, deviceId: phone.deviceId, now }))) {
    throw new DomainError("NOT_FOUND");
  }
}
