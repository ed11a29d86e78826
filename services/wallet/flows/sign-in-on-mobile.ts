import { parseDeviceId, parsePlatform, tidyDeviceName } from "../domain/person-name.ts";
import type { User } from "../storage/users-store.ts";
import { grantDeviceSession, type MobileTokenSet, signTokenSet } from "./issue-mobile-tokens.ts";
import { signInByPassword } from "./sign-in-by-password.ts";
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

/** Signs a phone in by password, which proves no address. Throws as `signInByPassword`. */
export async function signInOnMobileByPassword(
  deps: WalletDeps,
  request: PhoneFacts & { readonly email: string; readonly password: string },
): Promise<SignedInOnMobile> {
  const phone = parsePhone(request);
  // On an account nobody has proved yet a password is as good as whoever set it.
  const { user, signedIn } = await signInByPassword(deps, request, (tx, { userId, verifiedAt }) =>
    grantDeviceSession(deps, tx, { ...phone, userId, verified: verifiedAt !== null }),
  );
  return { user, tokens: await signTokenSet(deps.tokens, signedIn) };
}

function parsePhone(facts: PhoneFacts) {
  const { deviceName, platform } = facts;
  return {
    deviceId: parseDeviceId(facts.deviceId),
    deviceName: deviceName ? tidyDeviceName(deviceName) : undefined,
    platform: platform ? parsePlatform(platform) : undefined,
  };
}
