import { z } from "zod";
import { httpUrl, wholeNumber } from "../../../platform/config/read-config.ts";

const list = (pattern: RegExp, otherwise: string) =>
  z
    .string()
    .default(otherwise)
    .transform((text) => text.split(",").map((each) => each.trim()))
    .refine((parts) => parts.every((part) => pattern.test(part)), "is not a list of them, separated by commas");

/** Plaid's variables. It is set up once `PLAID_CLIENT_ID` and `PLAID_SECRET` are there. */
export const plaidSettings = {
  PLAID_CLIENT_ID: z.string().max(200).optional(),
  PLAID_SECRET: z.string().max(200).optional(),
  PLAID_ENV: z.enum(["sandbox", "production"]).default("production"),
  /** Takes the place of Plaid's own address, for the stand-in of the local world. */
  PLAID_BASE_URL: httpUrl.optional(),
  /** Where Plaid sends webhooks of new items, ending in `/api/connectors/plaid/webhook`; none are sent when unset. */
  PLAID_WEBHOOK_URL: httpUrl.optional(),
  /** Registered at Plaid, for banks that sign people in at their own address. */
  PLAID_REDIRECT_URI: z.url({ protocol: /^https?$/ }).optional(),
  /** What Link calls this application; Plaid shows at most 30 characters. */
  PLAID_CLIENT_NAME: z.string().min(1).max(30).default("Paymesh"),
  PLAID_LANGUAGE: z
    .string()
    .regex(/^[a-z]{2}$/)
    .default("en"),
  /** ISO 3166-1 alpha-2, separated by commas. */
  PLAID_COUNTRY_CODES: list(/^[A-Z]{2}$/, "US,CA"),
  /** How much history Plaid is asked to fetch for a new item. */
  PLAID_DAYS_REQUESTED: wholeNumber({ min: 30, max: 730, otherwise: 730 }),
};

/** They, as read. */
export type PlaidSettings = Readonly<z.infer<z.ZodObject<typeof plaidSettings>>>;
