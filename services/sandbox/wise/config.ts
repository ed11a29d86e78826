import { z } from "zod";
import { httpUrl, secretText } from "../../platform/config/read-config.ts";
import { addressList, sandboxShape } from "../kit/config.ts";

/** The sandbox's environment. URLs are without a trailing slash. */
export const wiseSandboxConfig = z.object({
  ...sandboxShape({ port: 9206, schema: "sandbox_wise" }),
  /** The application that may use the sandbox. */
  WISE_CLIENT_ID: z.string().min(1).max(200),
  WISE_CLIENT_SECRET: secretText(8),
  /** What people know the application by. */
  WISE_APP_NAME: z.string().min(1).max(60).default("Paymesh"),
  /** Registered return addresses, separated by commas. */
  WISE_REDIRECT_URIS: addressList.refine((uris) => uris.length > 0, "must name an address"),
  /** Where events go beside the subscriptions the application makes itself, as if set up by hand; nowhere when unset. */
  WISE_WEBHOOK_URL: httpUrl.optional(),
  /** The public key, in PEM, that the application signs strong authentications with; the control API can register another. */
  WISE_SCA_PUBLIC_KEY: z.string().max(2_000).optional(),
});

/** The sandbox's configuration as read. */
export type WiseSandboxConfig = z.infer<typeof wiseSandboxConfig>;
