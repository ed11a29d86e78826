import { z } from "zod";
import { environmentName, httpUrl, port, secretText, wholeNumber } from "../../platform/config/read-config.ts";

const minuteMs = 60_000;

/** The Plaid sandbox's environment. */
export const plaidSandboxConfig = z.object({
  PAYMESH_ENV: environmentName,
  BIND_HOST: z.string().default("127.0.0.1"),
  PORT: port.default(9203),
  /** Where browsers reach the sandbox; hosted links start with it. */
  SANDBOX_ORIGIN: httpUrl.default("http://127.0.0.1:9203"),
  DATABASE_URL: z.string().min(1),
  DATABASE_SCHEMA: z.string().default("sandbox_plaid"),
  DATABASE_POOL_SIZE: wholeNumber({ min: 1, max: 100, otherwise: 5 }),
  /** The one application that may call. */
  PLAID_CLIENT_ID: z.string().min(1).max(200),
  PLAID_SECRET: secretText(8),
  /** Opens `/_control`. */
  SANDBOX_CONTROL_KEY: secretText(8),
  /** Seals webhook keys and tokens and hashes tokens; all items are lost with it. */
  SANDBOX_DATA_KEY: secretText(32),
  /** Where Link may end, separated by commas; any address of this machine when unset. */
  PLAID_REDIRECT_URIS: z
    .string()
    .default("")
    .transform((text) =>
      text
        .split(",")
        .map((each) => each.trim())
        .filter((each) => each !== ""),
    ),
  /** From linking to the first month of transactions. */
  PLAID_INITIAL_UPDATE_MS: wholeNumber({ min: 0, max: 60 * minuteMs, otherwise: 1_000 }),
  /** From the first month to the whole history. */
  PLAID_HISTORICAL_UPDATE_MS: wholeNumber({ min: 0, max: 60 * minuteMs, otherwise: 2_000 }),
  /** From a call of `/transactions/refresh` to the update. */
  PLAID_REFRESH_MS: wholeNumber({ min: 0, max: 60 * minuteMs, otherwise: 1_000 }),
  /** Between the regular updates of an item. */
  PLAID_REGULAR_UPDATE_MS: wholeNumber({ min: 100, max: 24 * 60 * minuteMs, otherwise: 6 * 60 * minuteMs }),
  /** Before a webhook is sent again the first time; each later pause is four times as long, for a day. */
  PLAID_WEBHOOK_RETRY_MS: wholeNumber({ min: 1, max: 60 * minuteMs, otherwise: 30_000 }),
});

/** The sandbox's configuration as read. */
export type PlaidSandboxConfig = z.infer<typeof plaidSandboxConfig>;
