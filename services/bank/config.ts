import { z } from "zod";
import { ConfigError } from "../platform/config/config-error.ts";
import {
  type Environment,
  environmentName,
  flag,
  httpUrl,
  port,
  readConfig,
  secretText,
  wholeNumber,
} from "../platform/config/read-config.ts";

const schema = z.object({
  PAYMESH_ENV: environmentName,
  BIND_HOST: z.string().default("127.0.0.1"),
  /** The public port: OIDC, pages, wallet API, payment network, Open Banking. */
  PORT: port,
  /**
   * True where a proxy of the bank's own stands in front and writes `x-forwarded-for`: attempts to sign in are counted by
   * address, and without it all customers would count as one. False where anybody can reach PORT: he could write it too.
   */
  TRUST_PROXY: flag,
  /** Health and metrics for operators; a free port when absent. */
  ADMIN_PORT: port.default(0),
  DATABASE_URL: z.url({ protocol: /^postgres(ql)?$/ }),
  DATABASE_SCHEMA: z.string().regex(/^[a-z][a-z0-9_]{0,40}$/, "must be a lower-case SQL identifier"),
  /** Connections the process opens at most, all told. */
  DATABASE_POOL_SIZE: wholeNumber({ min: 4, max: 100, otherwise: 16 }),

  BSIM_ID: z.string().regex(/^[a-z0-9-]{1,64}$/, "has 1 to 64 of a-z, 0-9 and -"),
  BSIM_NAME: z.string().min(1).max(100),
  /** The bank's public origin, without `/api`. */
  BSIM_API_URL: httpUrl,
  /** The issuer of its OIDC server. */
  BSIM_AUTH_URL: httpUrl,
  BSIM_OPENBANKING_URL: httpUrl.optional(),

  /** Where to register; a bank without it stands alone. Ends in `/api/v1/registry`. */
  NSIM_REGISTRY_URL: httpUrl.optional(),
  BSIM_REGISTRATION_KEY: z.string().min(1).optional(),

  BSIM_PAYMENT_API_KEY: secretText(32),
  BSIM_ADMIN_KEY: z.string().min(1),
  /** The one secret the bank's own keys are derived from. */
  BSIM_ENCRYPTION_KEY: secretText(32),
  WALLET_CREDENTIAL_SECRET: secretText(32).optional(),
  WALLET_CREDENTIAL_KEY_FILE: z.string().min(1).optional(),
  WALLET_CREDENTIAL_EXPIRY_DAYS: wholeNumber({ min: 1, max: 3_650, otherwise: 90 }),

  /** Two demo customers with cards, accounts and some history; the local world only. */
  BSIM_DEMO_DATA: flag,
  /** OTLP over HTTP; no traces when absent. */
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: httpUrl.optional(),
  OTEL_TRACES_SAMPLER_ARG: z.coerce.number().min(0).max(1).default(0.01),
});

/** What one bank process is told by its environment. */
export type BankConfig = Readonly<z.infer<typeof schema>> & { readonly BSIM_OPENBANKING_URL: string };

/** Reads a bank's configuration. Throws one ConfigError with every problem, one a line. */
export function readBankConfig(env: Environment): BankConfig {
  const problems = [...addressProblems(env), ...missingProblems(env)];
  if ((env["PAYMESH_ENV"] || "production") === "production") problems.push(...productionProblems(env));
  let config: Readonly<z.infer<typeof schema>>;
  try {
    config = readConfig(schema, env);
  } catch (error) {
    if (error instanceof ConfigError) throw new ConfigError([error.message, ...problems]);
    throw error;
  }
  if (problems.length > 0) throw new ConfigError(problems);
  return Object.freeze({
    ...config,
    BSIM_OPENBANKING_URL: config.BSIM_OPENBANKING_URL ?? `${new URL(config.BSIM_API_URL).origin}/open-banking`,
  });
}

const addresses = ["BSIM_API_URL", "BSIM_AUTH_URL", "BSIM_OPENBANKING_URL"] as const;
const secrets = ["BSIM_PAYMENT_API_KEY", "BSIM_ADMIN_KEY", "BSIM_ENCRYPTION_KEY", "WALLET_CREDENTIAL_SECRET"] as const;

// Callers append /api themselves: a base that ends in it would give /api/api.
function addressProblems(env: Environment): string[] {
  return addresses
    .filter((name) => /\/api\/*$/.test(env[name] ?? ""))
    .map((name) => `${name}: must be without /api at its end`);
}

function missingProblems(env: Environment): string[] {
  const problems: string[] = [];
  if (!env["WALLET_CREDENTIAL_SECRET"] && !env["WALLET_CREDENTIAL_KEY_FILE"]) {
    problems.push("WALLET_CREDENTIAL_SECRET is not set, and neither is WALLET_CREDENTIAL_KEY_FILE");
  }
  if (env["NSIM_REGISTRY_URL"] && !env["BSIM_REGISTRATION_KEY"]) {
    problems.push("BSIM_REGISTRATION_KEY is not set, though NSIM_REGISTRY_URL is");
  }
  return problems;
}

function productionProblems(env: Environment): string[] {
  const problems: string[] = [];
  if (env["BSIM_DEMO_DATA"] === "1" || env["BSIM_DEMO_DATA"] === "true") {
    problems.push("BSIM_DEMO_DATA: only PAYMESH_ENV=local may have demo data");
  }
  const adminKey = env["BSIM_ADMIN_KEY"];
  if (adminKey && adminKey.length < 32) problems.push("BSIM_ADMIN_KEY: needs at least 32 characters");
  for (const name of [...addresses, "NSIM_REGISTRY_URL"]) {
    if (env[name]?.startsWith("http:")) problems.push(`${name}: must be https`);
  }
  const given = secrets.map((name) => env[name]).filter((value) => value);
  if (new Set(given).size < given.length)
    problems.push("two of the bank's secrets are the same: each opens its own door");
  return problems;
}
