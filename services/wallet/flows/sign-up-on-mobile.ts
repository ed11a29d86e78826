import { inTransaction } from "../../platform/db/transaction.ts";
import { DomainError } from "../../platform/errors/domain-error.ts";
import { uuidv7 } from "../../platform/ids/uuidv7.ts";
import { parseEmailAddress } from "../domain/email-address.ts";
import { parseDeviceId, parsePersonName, parsePlatform, tidyDeviceName } from "../domain/person-name.ts";
import { isDeviceSignedInByOther } from "../storage/devices-store.ts";
import { insertUser, type User } from "../storage/users-store.ts";
import { grantDeviceSession, type MobileTokenSet, signTokenSet } from "./issue-mobile-tokens.ts";
import { newWalletId } from "./new-wallet-id.ts";
import type { WalletDeps } from "./wallet-deps.ts";

export interface SignUpOnMobile {
  readonly email: string;
  readonly name: string;
  readonly deviceId: string;
  readonly deviceName: string;
  readonly platform: string;
}

/**
 * Makes an account from a phone and signs it in. The address is not proved: the account stays unverified until a code sent
 * there is used. Throws `EMAIL_TAKEN`, `DEVICE_TAKEN` while somebody else is signed in on the phone, `INVALID_ARGUMENT`.
 */
export async function signUpOnMobile(
  deps: WalletDeps,
  request: SignUpOnMobile,
): Promise<{ readonly user: User; readonly tokens: MobileTokenSet }> {
  const email = parseEmailAddress(request.email);
  const name = parsePersonName(request.name);
  const deviceId = parseDeviceId(request.deviceId);
  const platform = parsePlatform(request.platform);
  const deviceName = tidyDeviceName(request.deviceName);
  const made = await inTransaction(deps.db, async (tx) => {
    const now = deps.clock.now();
    if (await isDeviceSignedInByOther(tx, { deviceId, userId: undefined, now })) throw new DomainError("DEVICE_TAKEN");
    const user = await insertUser(tx, {
      userId: uuidv7(now.getTime()),
      email,
      name,
      walletId: newWalletId(),
      passwordHash: undefined,
      verified: false,
      now,
    });
    if (user === undefined) throw new DomainError("EMAIL_TAKEN");
    const device = { userId: user.userId, deviceId, deviceName, platform, verified: false };
    return { user, granted: await grantDeviceSession(deps, tx, device) };
  });
  return { user: made.user, tokens: await signTokenSet(deps.tokens, made.granted) };
}
