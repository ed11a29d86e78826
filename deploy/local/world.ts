import { existsSync } from "node:fs";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { openLocalKey } from "./local-key.ts";
import type { LocalSecrets } from "./local-secrets.ts";
import { masterKeyFile } from "./operator-environment.ts";
import type { PortName, Ports } from "./ports.ts";
import { type ProviderName, type ProviderWorld, providerNames, providerSandboxes } from "./provider-sandboxes.ts";

/** A program of the local world that is written in this repository. */
export type ServiceName =
  | "registry"
  | "router"
  | "wallet"
  | "credential"
  | "north-bank"
  | "maple-bank"
  | "shop"
  | "mail"
  | ProviderName;

/** The fixed demo world, the same on every machine; scripts rely on it. */
export const demoWorld = Object.freeze({
  operatorKey: "demo-operator-key",
  merchantId: "ssim-merchant",
  merchantName: "Birch & Pine",
  merchantKey: "demo-merchant-key",
  merchantSecret: "demo-merchant-secret",
  walletClientId: "wsim-wallet",
  customers: ["customer1@example.com", "customer2@example.com"],
  password: "demo-password",
  banks: [
    { id: "north-bank", name: "North Bank" },
    { id: "maple-bank", name: "Maple Credit Union" },
  ] as const,
});

/** Id of one of the two demo banks. */
export type DemoBankId = (typeof demoWorld.banks)[number]["id"];

/** What the programs are told about each other. */
export interface WorldFacts {
  readonly ports: Ports;
  readonly secrets: LocalSecrets;
  /** Holds `certs/` of the mesh. */
  readonly directory: string;
  /** Database address for the role of a service. */
  readonly databaseUrl: (service: ServiceName) => string;
}

/** How one program of the world is run; everything but its environment is fixed. */
export interface ServicePlan {
  readonly name: ServiceName;
  /** Relative to the repository. */
  readonly main: string;
  /** Absent for a program without a database. */
  readonly database?: { readonly schema: string; readonly migrations: URL; readonly hasJobs: boolean };
  /** Answers 200 once the program serves. */
  readonly readyPort: PortName;
  readonly readyPath: string;
  readonly env: (facts: WorldFacts) => Record<string, string>;
}

/** The checkout this file lies in. */
export const repositoryRoot = fileURLToPath(new URL("../..", import.meta.url));

/** Origin of a port on this machine. */
export function origin(port: number): string {
  return `http://127.0.0.1:${port}`;
}

const migrationsOf = (folder: string) => pathToFileURL(path.join(repositoryRoot, folder, "storage/migrations/"));

function meshService(
  name: "registry" | "router" | "wallet" | "credential",
  options: { hasJobs: boolean; env: (facts: WorldFacts) => Record<string, string> },
): ServicePlan {
  return {
    name,
    main: `services/${name}/main.ts`,
    database: { schema: name, migrations: migrationsOf(`services/${name}`), hasJobs: options.hasJobs },
    readyPort: `${name}-admin`,
    readyPath: "/health/ready",
    env: (facts) => ({
      GRPC_PORT: String(facts.ports[`${name}-grpc`]),
      HTTP_PORT: String(facts.ports[`${name}-http`]),
      ADMIN_PORT: String(facts.ports[`${name}-admin`]),
      DATABASE_URL: facts.databaseUrl(name),
      DATABASE_SCHEMA: name,
      TLS_CERT_FILE: path.join(facts.directory, "certs", `${name}.pem`),
      TLS_KEY_FILE: path.join(facts.directory, "certs", `${name}.key`),
      TLS_CA_FILE: path.join(facts.directory, "certs", "ca.pem"),
      API_KEY_PEPPER: facts.secrets.of("api-key-pepper"),
      OPERATOR_KEYS: `demo:${demoWorld.operatorKey}`,
      REGISTRY_ADDRESS: `127.0.0.1:${facts.ports["registry-grpc"]}`,
      CREDENTIAL_ADDRESS: `127.0.0.1:${facts.ports["credential-grpc"]}`,
      ...options.env(facts),
    }),
  };
}

function bank(id: DemoBankId, name: string): ServicePlan {
  const schema = id.replaceAll("-", "_");
  return {
    name: id,
    main: "services/bank/main.ts",
    database: { schema, migrations: migrationsOf("services/bank"), hasJobs: false },
    readyPort: `${id}-admin`,
    readyPath: "/health/ready",
    env: ({ ports, secrets, databaseUrl }) => ({
      PORT: String(ports[id]),
      ADMIN_PORT: String(ports[`${id}-admin`]),
      DATABASE_URL: databaseUrl(id),
      DATABASE_SCHEMA: schema,
      BSIM_ID: id,
      BSIM_NAME: name,
      BSIM_API_URL: origin(ports[id]),
      BSIM_AUTH_URL: `${origin(ports[id])}/oidc`,
      BSIM_OPENBANKING_URL: `${origin(ports[id])}/open-banking`,
      NSIM_REGISTRY_URL: `${origin(ports.gateway)}/api/v1/registry`,
      BSIM_REGISTRATION_KEY: secrets.of(`${id}.registration-key`),
      BSIM_PAYMENT_API_KEY: secrets.of(`${id}.payment-api-key`),
      BSIM_ADMIN_KEY: demoWorld.operatorKey,
      BSIM_ENCRYPTION_KEY: secrets.of(`${id}.encryption-key`),
      WALLET_CREDENTIAL_SECRET: secrets.of(`${id}.wallet-credential-secret`),
      WALLET_CREDENTIAL_EXPIRY_DAYS: "90",
      BSIM_DEMO_DATA: "true",
    }),
  };
}

const shop: ServicePlan = {
  name: "shop",
  main: "services/sandbox/shop/main.ts",
  database: { schema: "shop", migrations: migrationsOf("services/sandbox/shop"), hasJobs: false },
  readyPort: "shop",
  readyPath: "/",
  env: ({ ports, secrets, databaseUrl }) => ({
    PORT: String(ports.shop),
    SHOP_ORIGIN: origin(ports.shop),
    SHOP_NAME: demoWorld.merchantName,
    WALLET_ISSUER: origin(ports.oidc),
    GATEWAY_URL: origin(ports.gateway),
    MERCHANT_ID: demoWorld.merchantId,
    MERCHANT_API_KEY: demoWorld.merchantKey,
    OIDC_CLIENT_ID: demoWorld.merchantId,
    OIDC_CLIENT_SECRET: demoWorld.merchantSecret,
    BANK_ISSUERS: demoWorld.banks.map(({ id, name }) => `${id}=${name}=${origin(ports[id])}/oidc`).join(","),
    BANK_CLIENT_SECRET: secrets.of("shop.bank-client-secret"),
    DATABASE_URL: databaseUrl("shop"),
    DATABASE_SCHEMA: "shop",
    SHOP_COOKIE_SECRET: secrets.of("shop.cookie-secret"),
  }),
};

const mail: ServicePlan = {
  name: "mail",
  main: "services/sandbox/mail/main.ts",
  readyPort: "mail",
  readyPath: "/health",
  env: ({ ports }) => ({ PORT: String(ports.mail), SMTP_PORT: String(ports.smtp) }),
};

function worldOf(name: ProviderName, { ports, secrets, directory }: WorldFacts): ProviderWorld {
  return {
    sandbox: origin(ports[name]),
    gateway: origin(ports.gateway),
    secret: (each) => secrets.of(each),
    key: (each, kind) => openLocalKey(path.join(directory, "keys", `${each}.pem`), kind),
  };
}

function providerSandbox(name: ProviderName): ServicePlan {
  const { schema, sandbox } = providerSandboxes[name];
  return {
    name,
    main: `services/sandbox/${name}/main.ts`,
    database: { schema, migrations: migrationsOf(`services/sandbox/${name}`), hasJobs: false },
    readyPort: name,
    readyPath: "/health",
    env: (facts) => ({
      PORT: String(facts.ports[name]),
      SANDBOX_ORIGIN: origin(facts.ports[name]),
      SANDBOX_CONTROL_KEY: demoWorld.operatorKey,
      SANDBOX_DATA_KEY: facts.secrets.of(`${name}.data-key`),
      DATABASE_URL: facts.databaseUrl(name),
      DATABASE_SCHEMA: schema,
      ...sandbox(worldOf(name, facts)),
    }),
  };
}

/** All programs of the world, in the order they are listed to people. */
export const servicePlans: readonly ServicePlan[] = [
  meshService("registry", {
    hasJobs: false,
    env: ({ secrets }) => ({ REGISTRY_ENCRYPTION_KEY: secrets.of("registry.encryption-key") }),
  }),
  meshService("router", {
    hasJobs: false,
    env: ({ secrets }) => ({
      DEFAULT_BSIM_ID: "north-bank",
      PAYMENT_ID_KEY: secrets.of("router.payment-id-key"),
    }),
  }),
  meshService("wallet", {
    hasJobs: true,
    env: ({ ports, secrets }) => ({
      WALLET_ENCRYPTION_KEY: secrets.of("wallet.encryption-key"),
      WALLET_APP_URL: origin(ports.gateway),
      WALLET_CONNECTIONS_URL: `${origin(ports.gateway)}/connections`,
      WALLET_OIDC_ISSUER: origin(ports.oidc),
      SMTP_URL: `smtp://127.0.0.1:${ports.smtp}`,
      MAIL_FROM: "wallet@paymesh.example",
    }),
  }),
  meshService("credential", {
    hasJobs: false,
    env: (facts) => ({
      // A file, so that `npm run keys -- rotate` works while all of this runs.
      CREDENTIAL_ENCRYPTION_KEYS_FILE: masterKeyFile(facts.directory),
      WALLET_ADDRESS: `127.0.0.1:${facts.ports["wallet-grpc"]}`,
      CREDENTIAL_PUBLIC_URL: origin(facts.ports.gateway),
      CREDENTIAL_RETURN_URLS: `${origin(facts.ports.gateway)}/wallet,mwsim://connected`,
      ...Object.assign({}, ...providerNames.map((name) => providerSandboxes[name].credential(worldOf(name, facts)))),
    }),
  }),
  bank("north-bank", "North Bank"),
  bank("maple-bank", "Maple Credit Union"),
  shop,
  mail,
  ...providerNames.map(providerSandbox),
];

/** The plans of the named programs, all when none are named, that this checkout has. */
export function choosePlans(names: readonly ServiceName[] | undefined): ServicePlan[] {
  return servicePlans.filter(
    (plan) => (names === undefined || names.includes(plan.name)) && existsSync(path.join(repositoryRoot, plan.main)),
  );
}
