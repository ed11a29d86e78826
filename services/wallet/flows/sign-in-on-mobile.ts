import { inTransaction } from "../../platform/db/transaction.ts";
import { parseDeviceId, parsePlatform, tidyDeviceName } from "../domain/person-name.ts";
import type { User } from "../storage/users-store.ts";
import { grantDeviceSession, type MobileTokenSet, signTokenSet } from "./issue-mobile-tokens.ts";
import { checkEmailAndPassword } from "./sign-in-by-password.ts";
import { verifyEmailCode } from "./verify-email-code.ts";
import type { WalletDeps } from "./wallet-deps.ts";

/** What a sign-in says of its phone; empty members count as absent. */
export interface PhoneFacts {
  readonly deviceId: string;
  readonly deviceName?: string | undefined;
  readonly platform?: string | undefined;
}

/** A signed-in user with tokens. */
export interface SignedInOnMobile {
  readonly user: User;
  readonly tokens: MobileTokenSet;
}

/** Signs a phone in by a code. Throws as `verifyEmailCode`. */
export async function signInOnMobileByCode(
  deps: WalletDeps,
  request: PhoneFacts & {
    readonly challenge?: string | undefined;
    readonly email?: string | undefined;
    readonly code: string;
  },
): Promise<SignedInOnMobile> {
  const phone = parsePhone(request);
  const { challenge, email, code } = request;
  const { user, signedIn } = await verifyEmailCode(
    deps,
    { purpose: "mobile", challenge, email, code, deviceId: phone.deviceId },
    (tx, verified) => grantDeviceSession(deps, tx, { ...phone, userId: verified.userId, verified: true }),
  );
  return { user, tokens: await signTokenSet(deps.tokens, signedIn) };
}

/** Signs a phone in by password, which proves no address. Throws as `checkEmailAndPassword`. */
export async function signInOnMobileByPassword(
  deps: WalletDeps,
  request: PhoneFacts & { readonly email: string; readonly password: string },
): Promise<SignedInOnMobile> {
  const phone = parsePhone(request);
  const user = await checkEmailAndPassword(deps, request);
  // On an account nobody has proved yet a password is as good as whoever set it.
  const verified = user.verifiedAt !== null;
  const granted = await inTransaction(deps.db, (tx) =>
    grantDeviceSession(deps, tx, { ...phone, userId: user.userId, verified }),
  );
  return { user, tokens: await signTokenSet(deps.tokens, granted) };
}

function parsePhone(facts: PhoneFacts) {
  const { deviceName, platform } = facts;
  return {
    deviceId: parseDeviceId(facts.deviceId),
    deviceName: deviceName ? tidyDeviceName(deviceName) : undefined,
    platform: platform ? parsePlatform(platform) : undefined,
  };
}
