import { z } from "zod";
import { httpUrl } from "../../../platform/config/read-config.ts";
import { productionUrl } from "./basiq-api.ts";

/** Basiq's variables. It is set up once `BASIQ_API_KEY` is there. */
export const basiqSettings = {
  /** As Basiq's dashboard shows it: it stands behind `Basic` as it is. */
  BASIQ_API_KEY: z
    .string()
    .regex(/^[\x21-\x7e]{8,500}$/, "is no API key")
    .optional(),
  /** Takes the place of Basiq's own address, for the stand-in of the local world. */
  BASIQ_BASE_URL: httpUrl.default(productionUrl),
  /**
   * Where people consent: Basiq's Consent UI, or a link made for each of them. Basiq sends a code to the user's mobile when such a link
   * is opened, and makes none for a user without a number; this service knows none.
   */
  BASIQ_CONSENT_PAGE: z.enum(["consent_ui", "auth_link"]).default("consent_ui"),
  BASIQ_CONSENT_URL: httpUrl.default("https://consent.basiq.io/home"),
  /** Of the endpoint registered at Basiq; several, separated by commas, while one takes another's place. No webhooks when unset. */
  BASIQ_WEBHOOK_SECRET: z
    .string()
    .transform((text) => text.split(",").map((each) => each.trim()))
    .refine((secrets) => secrets.every((each) => /^(whsec_)?[A-Za-z0-9+/=_-]{16,200}$/.test(each)), "is no secret")
    .optional(),
  /** Basiq knows its users by an address: ours is a keyed hash at this domain, where nobody reads mail. */
  BASIQ_USER_EMAIL_DOMAIN: z
    .string()
    .regex(/^[a-z0-9-]+(\.[a-z0-9-]+)+$/)
    .max(150)
    .default("users.example.com"),
};

/** They, as read. */
export type BasiqSettings = Readonly<z.infer<z.ZodObject<typeof basiqSettings>>>;
