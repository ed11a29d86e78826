import { z } from "zod";
import { secretText, wholeNumber } from "../../platform/config/read-config.ts";
import { addressList, sandboxShape } from "../kit/config.ts";

const minuteMs = 60_000;

/** The Plaid sandbox's environment. */
export const plaidSandboxConfig = z.object({
  ...sandboxShape({ port: 9203, schema: "sandbox_plaid" }),
  /** The one application that may call. */
  PLAID_CLIENT_ID: z.string().min(1).max(200),
  PLAID_SECRET: secretText(8),
  /** Where Link may end, separated by commas; any address of this machine when unset. */
  PLAID_REDIRECT_URIS: addressList,
  /** From linking to the first month of transactions. */
  PLAID_INITIAL_UPDATE_MS: wholeNumber({ min: 0, max: 60 * minuteMs, otherwise: 1_000 }),
  /** From the first month to the whole history. */
  PLAID_HISTORICAL_UPDATE_MS: wholeNumber({ min: 0, max: 60 * minuteMs, otherwise: 2_000 }),
  /** From a call of `/transactions/refresh` to the update. */
  PLAID_REFRESH_MS: wholeNumber({ min: 0, max: 60 * minuteMs, otherwise: 1_000 }),
  /** Between the regular updates of an item. */
  PLAID_REGULAR_UPDATE_MS: wholeNumber({ min: 100, max: 24 * 60 * minuteMs, otherwise: 6 * 60 * minuteMs }),
});

/** The sandbox's configuration as read. */
export type PlaidSandboxConfig = z.infer<typeof plaidSandboxConfig>;
