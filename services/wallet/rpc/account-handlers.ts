import type { Wallet } from "../../../gen/es/paymesh/wallet/v1/wallet_pb.js";
import type { Handlers } from "../../platform/rpc/service-implementation.ts";
import { closeAccount } from "../flows/close-account.ts";
import type { WalletDeps } from "../flows/wallet-deps.ts";
import type { WalletAuthenticators } from "./authenticators.ts";
import { outgoing, phoneOf } from "./callers.ts";
import { optionalField } from "./optional-field.ts";

/** A person's right to leave. */
export function accountHandlers(
  deps: WalletDeps,
  auth: Pick<WalletAuthenticators, "forgetPhone">,
): Pick<Handlers<typeof Wallet>, "deleteAccount"> {
  return {
    deleteAccount: async (_request, ctx) => {
      const { userId } = phoneOf(ctx);
      const isErased = await closeAccount(deps, userId, outgoing(ctx));
      auth.forgetPhone(userId);
      const message = isErased ? undefined : "Your account is closed. Taking back your consents goes on by itself.";
      return { success: true, ...optionalField("message", message) };
    },
  };
}
