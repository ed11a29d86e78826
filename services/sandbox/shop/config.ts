import { z } from "zod";
import { environmentName, httpUrl, port, secretText, wholeNumber } from "../../platform/config/read-config.ts";

/** The shop's environment. URLs are without a trailing slash. */
export const shopConfig = z
  .object({
    PAYMESH_ENV: environmentName,
    BIND_HOST: z.string().default("127.0.0.1"),
    PORT: port.default(9000),
    /** Where browsers reach the shop; its redirect URIs start with it. */
    SHOP_ORIGIN: httpUrl,
    SHOP_NAME: z.string().min(1).max(60).default("Birch & Pine"),
    WALLET_ISSUER: httpUrl,
    GATEWAY_URL: httpUrl,
    /** The shop's id at the Router and the banks. */
    MERCHANT_ID: z.string().min(1).max(64),
    MERCHANT_API_KEY: secretText(8),
    OIDC_CLIENT_ID: z.string().min(1).max(64),
    OIDC_CLIENT_SECRET: secretText(8),
    /** Banks a customer may pay from directly: `id=Name=issuer`, separated by commas. None when unset. */
    BANK_ISSUERS: z.string().default("").transform(parseBanks),
    /** The shop's OAuth client secret at those banks; OIDC_CLIENT_SECRET when unset. */
    BANK_CLIENT_SECRET: secretText(8).optional(),
    DATABASE_URL: z.string().min(1),
    DATABASE_SCHEMA: z.string().default("shop"),
    DATABASE_POOL_SIZE: wholeNumber({ min: 2, max: 100, otherwise: 7 }),
    /** Signs form tokens and seals what is kept between leaving for the wallet and coming back. */
    SHOP_COOKIE_SECRET: secretText(32),
  })
  .superRefine((config, context) => {
    if (config.PAYMESH_ENV === "local") return;
    // Tokens and codes travel to these addresses; without TLS anyone on the way could pay with them.
    for (const name of ["SHOP_ORIGIN", "WALLET_ISSUER", "GATEWAY_URL"] as const) {
      if (!config[name].startsWith("https://")) {
        context.addIssue({ code: "custom", path: [name], message: "must be https outside PAYMESH_ENV=local" });
      }
    }
    if (config.BANK_ISSUERS.some((bank) => !bank.issuer.startsWith("https://"))) {
      context.addIssue({ code: "custom", path: ["BANK_ISSUERS"], message: "must be https outside PAYMESH_ENV=local" });
    }
  });

/** A bank a customer may pay from without a wallet. */
export interface DirectBank {
  readonly id: string;
  readonly name: string;
  readonly issuer: string;
}

/** The shop's configuration as read. */
export type ShopConfig = z.infer<typeof shopConfig>;

function parseBanks(text: string, context: z.RefinementCtx): DirectBank[] {
  const entries = text.split(",").filter((entry) => entry.trim() !== "");
  return entries.flatMap((entry) => {
    const [id, name, issuer] = entry.split("=").map((part) => part.trim());
    if (id && name && issuer && URL.canParse(issuer)) return [{ id, name, issuer: issuer.replace(/\/+$/, "") }];
    context.addIssue({ code: "custom", message: "must be a list of id=Name=issuer" });
    return [];
  });
}
