import { z } from "zod";
import { httpUrl } from "../../../platform/config/read-config.ts";

const balanceType = /^[A-Z_]{1,32}$/;

/** Wise's variables. It is set up once the client's are there. */
export const wiseSettings = {
  WISE_CLIENT_ID: z.string().max(200).optional(),
  WISE_CLIENT_SECRET: z.string().max(500).optional(),
  WISE_ENV: z.enum(["production", "sandbox"]).default("production"),
  /** Takes the place of Wise's addresses, API, page and webhook keys alike, for the stand-in of the local world. */
  WISE_BASE_URL: httpUrl.optional(),
  /** Takes the place of the authorization page's address alone. */
  WISE_AUTHORIZE_URL: z.url({ protocol: /^https?$/ }).optional(),
  /** Which balances are shown, separated by commas. */
  WISE_BALANCE_TYPES: z
    .string()
    .default("STANDARD,SAVINGS")
    .transform((text) => text.split(",").map((each) => each.trim()))
    .refine((types) => types.every((type) => balanceType.test(type)), "is not a list of them, separated by commas"),
  /** A file with the RSA private key, in PEM, whose public half Wise knows; without it statements are closed where Wise asks for it. */
  WISE_SCA_KEY_FILE: z.string().optional(),
  /** The header of the signature; Wise's documentation does not say it everywhere. */
  WISE_SCA_SIGNATURE_HEADER: z
    .string()
    .regex(/^[A-Za-z0-9-]{1,64}$/)
    .default("X-Signature")
    .transform((name) => name.toLowerCase()),
  /** Where Wise is to send webhooks, ending in `/api/connectors/wise/webhook`; the application's subscriptions are made when it is set. */
  WISE_WEBHOOK_URL: httpUrl.optional(),
  /** Names the application where subscriptions are made; its client id when unset. */
  WISE_CLIENT_KEY: z
    .string()
    .regex(/^[\w.-]{1,200}$/)
    .optional(),
  /** A file with the public keys webhooks are signed with, in PEM, in place of those Wise has published. */
  WISE_WEBHOOK_PUBLIC_KEY_FILE: z.string().optional(),
};

/** They, as read. */
export type WiseSettings = Readonly<z.infer<z.ZodObject<typeof wiseSettings>>>;

/** Where Wise is. */
export interface WiseHosts {
  /** Without a trailing slash. */
  readonly api: string;
  readonly authorize: string;
  /** Where the stand-in tells its webhook keys; undefined where they are known beforehand. */
  readonly webhookKeys: string | undefined;
}

/** Where Wise is in this environment, or its stand-in. */
export function hostsOf(settings: WiseSettings): WiseHosts {
  const stand = settings.WISE_BASE_URL;
  const domain = settings.WISE_ENV === "production" ? "wise.com" : "wise-sandbox.com";
  const authorize = stand === undefined ? `https://${domain}/oauth/authorize/` : `${stand}/oauth/authorize`;
  return {
    api: stand ?? `https://api.${domain}`,
    authorize: settings.WISE_AUTHORIZE_URL ?? authorize,
    webhookKeys: stand === undefined ? undefined : `${stand}/webhook-public-key`,
  };
}

/*
 * The keys Wise has published (transferwise/digital-signatures-examples and its documentation of webhooks). They are no secrets; a file
 * takes their place once Wise changes them.
 */
const publishedKeys = {
  production: `-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAvO8vXV+JksBzZAY6GhSO
XdoTCfhXaaiZ+qAbtaDBiu2AGkGVpmEygFmWP4Li9m5+Ni85BhVvZOodM9epgW3F
bA5Q1SexvAF1PPjX4JpMstak/QhAgl1qMSqEevL8cmUeTgcMuVWCJmlge9h7B1CS
D4rtlimGZozG39rUBDg6Qt2K+P4wBfLblL0k4C4YUdLnpGYEDIth+i8XsRpFlogx
CAFyH9+knYsDbR43UJ9shtc42Ybd40Afihj8KnYKXzchyQ42aC8aZ/h5hyZ28yVy
Oj3Vos0VdBIs/gAyJ/4yyQFCXYte64I7ssrlbGRaco4nKF3HmaNhxwyKyJafz19e
HwIDAQAB
-----END PUBLIC KEY-----`,
  sandbox: `-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAwpb91cEYuyJNQepZAVfP
ZIlPZfNUefH+n6w9SW3fykqKu938cR7WadQv87oF2VuT+fDt7kqeRziTmPSUhqPU
ys/V2Q1rlfJuXbE+Gga37t7zwd0egQ+KyOEHQOpcTwKmtZ81ieGHynAQzsn1We3j
wt760MsCPJ7GMT141ByQM+yW1Bx+4SG3IGjXWyqOWrcXsxAvIXkpUD/jK/L958Cg
nZEgz0BSEh0QxYLITnW1lLokSx/dTianWPFEhMC9BgijempgNXHNfcVirg1lPSyg
z7KqoKUN0oHqWLr2U1A+7kqrl6O2nx3CKs1bj1hToT1+p4kcMoHXA7kA+VBLUpEs
VwIDAQAB
-----END PUBLIC KEY-----`,
} as const;

/** The key Wise signs webhooks with in this environment, in PEM. */
export function publishedKeyOf(settings: WiseSettings): string {
  return publishedKeys[settings.WISE_ENV];
}
