import type { Wallet } from "../../../gen/es/paymesh/wallet/v1/wallet_pb.js";
import type { Handlers } from "../../platform/rpc/service-implementation.ts";
import { forgetPushToken, registerPushToken } from "../flows/manage-push-token.ts";
import { registerDevice } from "../flows/register-device.ts";
import type { WalletDeps } from "../flows/wallet-deps.ts";
import { phoneOf } from "./callers.ts";

type DeviceHandlers = Pick<Handlers<typeof Wallet>, "registerDevice" | "setPushToken" | "deletePushToken">;

/** Phones before and after sign-in. */
export function deviceHandlers(deps: WalletDeps): DeviceHandlers {
  return {
    registerDevice: async (request) => {
      const { deviceCredential, expiresAt } = await registerDevice(deps, {
        deviceId: request.deviceId,
        platform: request.platform,
        deviceName: request.deviceName,
        pushToken: request.pushToken,
      });
      return { deviceCredential, expiresAt: expiresAt.toISOString() };
    },
    setPushToken: async ({ pushToken, tokenType, deviceId }, ctx) => {
      const registeredAt = await registerPushToken(deps, phoneOf(ctx), { pushToken, tokenType, deviceId });
      return { success: true, registeredAt: registeredAt.toISOString() };
    },
    deletePushToken: async ({ deviceId }, ctx) => {
      await forgetPushToken(deps, phoneOf(ctx), deviceId);
      return { success: true };
    },
  };
}
