import { z } from "zod";
import { secretText } from "../../platform/config/read-config.ts";
import { addressList, sandboxShape } from "../kit/config.ts";

/** The Mastercard Open Finance sandbox's environment. */
export const mastercardSandboxConfig = z.object({
  ...sandboxShape({ port: 9204, schema: "sandbox_mastercard" }),
  /** The one partner whose programs may call. */
  OPEN_BANKING_PARTNER_ID: z.string().min(1).max(64),
  /** The partner's secret at the first start; later one is changed through the API alone. */
  OPEN_BANKING_PARTNER_SECRET: secretText(12),
  OPEN_BANKING_APP_KEY: secretText(8),
  /** A private key on P-256 in PEM that signs notifications from the start; one is made at the first start when unset. */
  OPEN_BANKING_WEBHOOK_KEY_FILE: z.string().min(1).optional(),
  /** Where Connect may end, without their queries, separated by commas; any address of this machine when unset. */
  OPEN_BANKING_REDIRECT_URIS: addressList,
});

/** The sandbox's configuration as read. */
export type MastercardSandboxConfig = z.infer<typeof mastercardSandboxConfig>;
