import type { Wallet } from "../../../gen/es/paymesh/wallet/v1/wallet_pb.js";
import { DomainError } from "../../platform/errors/domain-error.ts";
import type { Handlers } from "../../platform/rpc/service-implementation.ts";
import { parseDeviceId } from "../domain/person-name.ts";
import type { MobileTokenSet } from "../flows/issue-mobile-tokens.ts";
import { refreshMobileTokens } from "../flows/refresh-mobile-tokens.ts";
import { signInOnMobileByCode, signInOnMobileByPassword } from "../flows/sign-in-on-mobile.ts";
import { signUpOnMobile } from "../flows/sign-up-on-mobile.ts";
import { startEmailCode } from "../flows/start-email-code.ts";
import type { WalletDeps } from "../flows/wallet-deps.ts";
import { revokeDeviceSessions } from "../storage/device-sessions-store.ts";
import type { User } from "../storage/users-store.ts";
import type { WalletAuthenticators } from "./authenticators.ts";
import { phoneOf } from "./callers.ts";

type SignInHandlers = Pick<
  Handlers<typeof Wallet>,
  "signUp" | "startSignIn" | "verifySignIn" | "signInWithPassword" | "refreshTokens" | "signOut" | "checkAccessToken"
>;

/** Accounts and sign-ins of phones. */
export function signInHandlers(
  deps: WalletDeps,
  auth: Pick<WalletAuthenticators, "forgetPhone" | "checkAccessToken">,
): SignInHandlers {
  return {
    checkAccessToken: async ({ accessToken }) => {
      const phone = await auth.checkAccessToken(accessToken);
      if (phone === undefined) throw new DomainError("UNAUTHENTICATED");
      return phone;
    },
    signUp: async ({ email, name, deviceId, deviceName, platform }, ctx) => {
      const made = await signUpOnMobile(deps, { email, name, deviceId, deviceName, platform });
      ctx.setHttpStatus(201);
      return { user: userOf(made.user), tokens: tokensOf(made.tokens) };
    },
    startSignIn: async ({ email, deviceId: givenDeviceId }, { clientAddress }) => {
      const deviceId = parseDeviceId(givenDeviceId);
      const started = await startEmailCode(deps, { email, purpose: "mobile", deviceId, clientAddress });
      return {
        challenge: started.challenge,
        method: "email",
        message: "If this address has a wallet, a code is on its way",
        ...(started.devCode === undefined ? {} : { devCode: started.devCode }),
      };
    },
    verifySignIn: async ({ challenge, email, code, deviceId, deviceName, platform }) => {
      const phone = { deviceId, deviceName, platform };
      const signedIn = await signInOnMobileByCode(deps, { ...phone, challenge, email, code });
      return { user: userOf(signedIn.user), tokens: tokensOf(signedIn.tokens) };
    },
    signInWithPassword: async ({ email, password, deviceId, deviceName, platform }) => {
      const phone = { deviceId, deviceName, platform };
      const signedIn = await signInOnMobileByPassword(deps, { ...phone, email, password });
      return { user: userOf(signedIn.user), tokens: tokensOf(signedIn.tokens) };
    },
    refreshTokens: async ({ refreshToken }, ctx) => {
      const { clientAddress, signal } = ctx;
      return tokensOf(await refreshMobileTokens(deps, { refreshToken, clientAddress, signal }));
    },
    signOut: async ({ revokeAll }, ctx) => {
      const { userId, deviceId } = phoneOf(ctx);
      await revokeDeviceSessions(deps.db.query, {
        userId,
        deviceId: revokeAll ? undefined : deviceId,
        reason: "signed_out",
        now: deps.clock.now(),
      });
      auth.forgetPhone(userId);
      return { success: true };
    },
  };
}

function userOf(user: User) {
  const { userId: id, email, name, walletId, createdAt } = user;
  return { id, email, name, walletId, createdAt: createdAt.toISOString() };
}

function tokensOf({ accessToken, refreshToken, expiresInSeconds }: MobileTokenSet) {
  return { accessToken, refreshToken, expiresIn: expiresInSeconds };
}
