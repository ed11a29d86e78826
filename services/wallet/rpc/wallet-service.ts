import { Wallet } from "../../../gen/es/paymesh/wallet/v1/wallet_pb.js";
import type { ReadinessCheck } from "../../platform/lifecycle/admin-server.ts";
import { implement, type ServiceImplementation } from "../../platform/rpc/service-implementation.ts";
import type { WalletDeps } from "../flows/wallet-deps.ts";
import { accountHandlers } from "./account-handlers.ts";
import type { WalletAuthenticators } from "./authenticators.ts";
import { cardHandlers } from "./card-handlers.ts";
import { deviceHandlers } from "./device-handlers.ts";
import { enrolmentHandlers } from "./enrolment-handlers.ts";
import { healthHandlers } from "./health-handlers.ts";
import { signInHandlers } from "./sign-in-handlers.ts";
import { walletViewHandlers } from "./wallet-view-handlers.ts";
import { webHandlers } from "./web-handlers.ts";

/** Every method of the wallet, for both rpc servers. */
export function walletService(
  deps: WalletDeps,
  options: {
    readonly auth: Pick<WalletAuthenticators, "forgetPhone" | "checkAccessToken">;
    readonly version: string;
    readonly checks: Readonly<Record<string, ReadinessCheck>>;
  },
): ServiceImplementation {
  return implement(Wallet, {
    ...deviceHandlers(deps),
    ...signInHandlers(deps, options.auth),
    ...walletViewHandlers(deps),
    ...cardHandlers(deps),
    ...accountHandlers(deps, options.auth),
    ...enrolmentHandlers(deps),
    ...webHandlers(deps),
    ...healthHandlers({ clock: deps.clock, version: options.version, checks: options.checks }),
  });
}
