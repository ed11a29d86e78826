import { z } from "zod";
import { httpUrl, secretText } from "../../../platform/config/read-config.ts";

const word = /^[a-z0-9][a-z0-9_-]{0,63}$/;
const wordsMax = 50;
const words = z
  .string()
  .transform((text) => text.split(/[\s,]+/).filter((each) => each !== ""))
  .refine((list) => list.length >= 1 && list.length <= wordsMax, `names 1 to ${wordsMax}`)
  .refine((list) => list.every((each) => word.test(each)), "is not a list of words, separated by spaces or commas");

/** TrueLayer's variables. It is set up once any of them is there, and then those of the app have to be. */
export const trueLayerSettings = {
  /** `production` when neither this nor `TRUELAYER_SANDBOX` is set. */
  TRUELAYER_ENV: z.enum(["production", "sandbox"]).optional(),
  /** Deprecated: `TRUELAYER_ENV=sandbox` says it, and wins. */
  TRUELAYER_SANDBOX: z.enum(["true", "false", "1", "0"]).optional(),
  TRUELAYER_CLIENT_ID: z.string().max(200).optional(),
  TRUELAYER_CLIENT_SECRET: z.string().max(500).optional(),
  /** Where TrueLayer sends people back to, as registered there: a callback of this service. */
  TRUELAYER_REDIRECT_URI: z.url({ protocol: /^https?$/ }).optional(),
  /** Takes the place of TrueLayer's hosts, auth and data alike, for the stand-in of the local world. */
  TRUELAYER_BASE_URL: httpUrl.optional(),
  /** Which banks are offered: TrueLayer's words for groups of them, such as `fr-stet-all`, and ids of single ones. */
  TRUELAYER_PROVIDERS: words.optional(),
  TRUELAYER_SCOPES: words.default(["accounts", "balance", "transactions", "cards", "offline_access"]),
  /** As registered at TrueLayer; its path is what webhooks are signed for. The path they arrive under when unset. */
  TRUELAYER_WEBHOOK_URL: httpUrl.optional(),
  /** How webhooks to `/api/v1/integrations/truelayer/webhook` are proved; elsewhere `Tl-Signature` alone is. */
  TRUELAYER_WEBHOOK_MODE: z.enum(["tl_signature", "hmac"]).default("tl_signature"),
  /** Of mode `hmac`. */
  TRUELAYER_WEBHOOK_SECRET: secretText(8).optional(),
  /** The header that carries the HMAC. */
  TRUELAYER_WEBHOOK_HMAC_HEADER: z
    .string()
    .regex(/^[A-Za-z0-9-]{1,64}$/)
    .default("X-TrueLayer-Signature")
    .transform((name) => name.toLowerCase()),
  /** An older name for what `CREDENTIAL_ENCRYPTION_KEY` does now; never used. */
  TRUELAYER_ENCRYPTION_KEY: z
    .string()
    .transform(() => "ignored" as const)
    .optional(),
};

/** They, as read. */
export type TrueLayerSettings = Readonly<z.infer<z.ZodObject<typeof trueLayerSettings>>>;

/** Which TrueLayer is spoken to. */
export type TrueLayerMode = "production" | "sandbox";

/** The mode of these settings. */
export function modeOf(settings: TrueLayerSettings): TrueLayerMode {
  if (settings.TRUELAYER_ENV !== undefined) return settings.TRUELAYER_ENV;
  const isSandbox = settings.TRUELAYER_SANDBOX === "true" || settings.TRUELAYER_SANDBOX === "1";
  return isSandbox ? "sandbox" : "production";
}

/** Addresses without a trailing slash. */
export interface TrueLayerHosts {
  readonly auth: string;
  /** Up to `/data/v1`. */
  readonly data: string;
  /** Where the keys of webhooks are. */
  readonly keys: string;
}

/** Where TrueLayer is in this mode, or its stand-in. */
export function hostsOf(settings: TrueLayerSettings): TrueLayerHosts {
  const stand = settings.TRUELAYER_BASE_URL;
  if (stand !== undefined) return { auth: stand, data: `${stand}/data/v1`, keys: `${stand}/.well-known/jwks` };
  const domain = modeOf(settings) === "production" ? "truelayer.com" : "truelayer-sandbox.com";
  return {
    auth: `https://auth.${domain}`,
    data: `https://api.${domain}/data/v1`,
    keys: `https://webhooks.${domain}/.well-known/jwks`,
  };
}

/** The banks offered: open banking in the United Kingdom, Germany and Austria, or TrueLayer's mock, unless told otherwise. */
export function providersOf(settings: TrueLayerSettings): readonly string[] {
  if (settings.TRUELAYER_PROVIDERS !== undefined) return settings.TRUELAYER_PROVIDERS;
  return modeOf(settings) === "production" ? ["uk-ob-all", "de-xs2a-all", "at-xs2a-all"] : ["mock"];
}
