import type { LocalKey, LocalKeyKind } from "./local-key.ts";

/** What a stand-in and its connector are told of the world they meet in. */
export interface ProviderWorld {
  /** Origin of the stand-in. */
  readonly sandbox: string;
  /** Origin of the gateway, where callbacks and webhooks arrive. */
  readonly gateway: string;
  /** A secret of this world by name, made at its first use. */
  secret(name: string): string;
  /** A key pair of this world by name, made at its first use. */
  key(name: string, kind: LocalKeyKind): LocalKey;
}

/** A stand-in for a data provider, and how the credential service is pointed at it. */
interface ProviderSandbox {
  readonly port: number;
  readonly schema: string;
  /** What the stand-in is told beside what all are told. */
  sandbox(world: ProviderWorld): Record<string, string>;
  /** The connector's settings; those of the real provider are the same without the address. */
  credential(world: ProviderWorld): Record<string, string>;
}

const plaidApp = ({ secret }: ProviderWorld) => ({ PLAID_CLIENT_ID: "paymesh", PLAID_SECRET: secret("plaid.secret") });
const trueLayerApp = ({ gateway, secret }: ProviderWorld) => ({
  TRUELAYER_CLIENT_ID: "paymesh",
  TRUELAYER_CLIENT_SECRET: secret("truelayer.client-secret"),
  TRUELAYER_WEBHOOK_URL: `${gateway}/api/v1/integrations/truelayer/webhook`,
});
const trueLayerCallback = ({ gateway }: ProviderWorld) => `${gateway}/api/v1/integrations/truelayer/callback`;
const mastercardPartner = ({ secret }: ProviderWorld) => ({
  OPEN_BANKING_PARTNER_ID: "2445580000000",
  OPEN_BANKING_PARTNER_SECRET: secret("mastercard.partner-secret"),
  OPEN_BANKING_APP_KEY: secret("mastercard.app-key"),
});
const wiseApp = ({ secret }: ProviderWorld) => ({
  WISE_CLIENT_ID: "paymesh",
  WISE_CLIENT_SECRET: secret("wise.client-secret"),
});

const basiqApp = ({ secret }: ProviderWorld) => ({
  BASIQ_API_KEY: secret("basiq.api-key"),
  // A secret of Standard Webhooks is bytes in base64 behind this word.
  BASIQ_WEBHOOK_SECRET: `whsec_${Buffer.from(secret("basiq.webhook-secret")).toString("base64")}`,
});

/** The stand-ins that run beside the mesh, by the names of `services/sandbox`; a new one is an entry here. */
export const providerSandboxes = {
  truelayer: {
    port: 9201,
    schema: "sandbox_truelayer",
    sandbox: (world) => ({ ...trueLayerApp(world), TRUELAYER_REDIRECT_URIS: trueLayerCallback(world) }),
    credential: (world) => ({
      ...trueLayerApp(world),
      TRUELAYER_ENV: "sandbox",
      TRUELAYER_BASE_URL: world.sandbox,
      TRUELAYER_REDIRECT_URI: trueLayerCallback(world),
    }),
  },
  plaid: {
    port: 9203,
    schema: "sandbox_plaid",
    sandbox: plaidApp,
    credential: (world) => ({
      ...plaidApp(world),
      PLAID_BASE_URL: world.sandbox,
      PLAID_WEBHOOK_URL: `${world.gateway}/api/connectors/plaid/webhook`,
    }),
  },
  mastercard: {
    port: 9204,
    schema: "sandbox_mastercard",
    sandbox: (world) => ({
      ...mastercardPartner(world),
      OPEN_BANKING_REDIRECT_URIS: ["/api/connectors/mastercard/callback", "/openbanking/callback"]
        .map((path) => `${world.gateway}${path}`)
        .join(","),
      OPEN_BANKING_WEBHOOK_KEY_FILE: world.key("mastercard-notifications", "p256").file,
    }),
    credential: (world) => ({
      ...mastercardPartner(world),
      OPEN_BANKING_BASE_URL: world.sandbox,
      OPEN_BANKING_CUSTOMER_TYPE: "testing",
      OPEN_BANKING_WEBHOOK_URL: `${world.gateway}/api/open-banking/webhook`,
      OPEN_BANKING_WEBHOOK_PUBLIC_KEY: world.key("mastercard-notifications", "p256").publicKey,
    }),
  },
  wise: {
    port: 9206,
    schema: "sandbox_wise",
    sandbox: (world) => ({
      ...wiseApp(world),
      WISE_REDIRECT_URIS: `${world.gateway}/api/connectors/wise/callback`,
      WISE_SCA_PUBLIC_KEY: world.key("wise-sca", "rsa").publicKey,
    }),
    credential: (world) => ({
      ...wiseApp(world),
      WISE_ENV: "sandbox",
      WISE_BASE_URL: world.sandbox,
      WISE_SCA_KEY_FILE: world.key("wise-sca", "rsa").file,
      WISE_WEBHOOK_URL: `${world.gateway}/api/connectors/wise/webhook`,
    }),
  },
  basiq: {
    port: 9205,
    schema: "sandbox_basiq",
    sandbox: (world) => ({
      ...basiqApp(world),
      BASIQ_REDIRECT_URL: `${world.gateway}/api/connectors/basiq/callback`,
      BASIQ_WEBHOOK_URL: `${world.gateway}/api/connectors/basiq/webhook`,
    }),
    credential: (world) => ({
      ...basiqApp(world),
      BASIQ_BASE_URL: world.sandbox,
      BASIQ_CONSENT_URL: `${world.sandbox}/home`,
      BASIQ_CONSENT_PAGE: "auth_link",
    }),
  },
} as const satisfies Readonly<Record<string, ProviderSandbox>>;

/** Name of a data provider that has a stand-in in the local world. */
export type ProviderName = keyof typeof providerSandboxes;

/** All of them. */
export const providerNames = Object.keys(providerSandboxes) as readonly ProviderName[]; // the table's own keys

/** Their usual ports. */
export const providerPorts = Object.fromEntries(
  providerNames.map((name) => [name, providerSandboxes[name].port]),
) as Readonly<Record<ProviderName, number>>; // one entry for each name
