import { readFile } from "node:fs/promises";
import { ConfigError } from "../platform/config/config-error.ts";
import { type Database, openDatabase } from "../platform/db/open-database.ts";
import { createHttpServer } from "../platform/http/create-http-server.ts";
import { startAdminServer } from "../platform/lifecycle/admin-server.ts";
import { runService, type ServiceScope } from "../platform/lifecycle/run-service.ts";
import { errorPage } from "../platform/pages/error-page.ts";
import { startTracing } from "../platform/telemetry/tracing.ts";
import { createRegistryClient } from "./clients/registry.ts";
import { type BankConfig, readBankConfig } from "./config.ts";
import { type BankFacts, bankFacts } from "./domain/bank-facts.ts";
import { adminApi } from "./http/admin/admin-api.ts";
import { bankBrand } from "./http/bank-brand.ts";
import { openBanking } from "./http/open-banking/open-banking.ts";
import { paymentNetwork } from "./http/payment-network/payment-network.ts";
import { createCardTokenVerifier } from "./http/payment-network/verify-card-token.ts";
import { publicFacts } from "./http/public/public-facts.ts";
import { startRegistration } from "./jobs/registration.ts";
import { startSweeps } from "./jobs/sweeps.ts";
import { type BankIdentity, openBankIdentity } from "./oidc/bank-identity.ts";
import { type BankKeys, deriveBankKeys } from "./oidc/bank-keys.ts";
import type { CredentialKey } from "./oidc/credential-signer.ts";
import { createAccountStore } from "./storage/account-store.ts";
import { createAuthorizationStore } from "./storage/authorization-store.ts";
import { createAuthorizer } from "./storage/authorizer.ts";
import { createCardTokenStore } from "./storage/card-token-store.ts";
import { findDemoRemains, seedDemoData } from "./storage/demo-seed.ts";
import type { IdentityTables } from "./storage/identity-tables.ts";
import { createLedgerReports } from "./storage/ledger-summary.ts";
import { createOauthClientStore } from "./storage/oauth-client-store.ts";

const version = "0.1.0";

/**
 * One bank: its OIDC server and pages, wallet API, payment network, Open Banking and operators' API on one port. Several
 * processes may serve one bank; nothing but the batch being written lives in memory.
 */
async function startBank(scope: ServiceScope): Promise<void> {
  const { env, log, clock } = scope;
  const config = readBankConfig(env);
  const tracing = startTracing({
    service: "bank",
    endpoint: config.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT,
    sampleRatio: config.OTEL_TRACES_SAMPLER_ARG,
  });
  scope.onStop("tracing", tracing.stop);
  const db = openDatabase<IdentityTables>({
    url: config.DATABASE_URL,
    schema: config.DATABASE_SCHEMA,
    applicationName: `paymesh-${config.BSIM_ID}`,
    poolSizeMax: config.DATABASE_POOL_SIZE,
    log,
  });
  scope.onStop("database", db.close);
  const keys = deriveBankKeys(config.BSIM_ENCRYPTION_KEY, config.BSIM_ID);
  await settleDemoData(scope, config, db, keys.tokenPepper);

  const identity = await openIdentity(scope, config, db, keys);
  const facts = factsOf(config);
  const trustProxy = config.TRUST_PROXY ? "peer" : "none";
  const brand = bankBrand(facts);
  const whereabouts = `A wallet or a shop brings you to ${brand.name} when there is something to sign in for.`;
  const app = createHttpServer({
    service: "bank",
    errorTable: {},
    log,
    trustProxy,
    errorPage: (error) => errorPage(brand, error, { whereabouts }),
  });
  await app.register(publicFacts, { facts, version, isReady: db.isReady, clock });
  await app.register(paymentNetwork, {
    prefix: "/api/payment-network",
    apiKey: config.BSIM_PAYMENT_API_KEY,
    authorizer: createAuthorizer({ hotPool: db.hotPool, clock }),
    authorizations: createAuthorizationStore(db),
    cardTokens: createCardTokenStore(db),
    readCardToken: createCardTokenVerifier({ keys, bsimId: config.BSIM_ID, readAccess: identity.readAccess }),
    clock,
    log,
  });
  await app.register(openBanking, {
    prefix: openBankingPath(config),
    accounts: createAccountStore(db),
    readAccess: identity.readAccess,
    clock,
    log,
  });
  await app.register(identity.routes);
  await app.register(adminApi, {
    prefix: "/api/admin",
    bsimId: config.BSIM_ID,
    adminKey: config.BSIM_ADMIN_KEY,
    secretPepper: keys.tokenPepper,
    local: config.PAYMESH_ENV === "local",
    clients: createOauthClientStore(db),
    reports: createLedgerReports(db),
    clock,
  });
  scope.onStop("sweeps", startSweeps({ db, clock, log }).stop);
  scope.onStop("oidc sweep", identity.startSweep().stop);
  await app.listen({ host: config.BIND_HOST, port: config.PORT });
  scope.onStop("http port", () => app.close());
  // After the door itself: ready means that customers can come in.
  const checks = { database: db.isReady };
  const admin = await startAdminServer({ host: config.BIND_HOST, port: config.ADMIN_PORT, checks, log });
  scope.onStop("admin port", admin.stop);
  startRegistering(scope, config, facts);
}

async function openIdentity(
  scope: ServiceScope,
  config: BankConfig,
  db: Database<IdentityTables>,
  keys: BankKeys,
): Promise<BankIdentity> {
  return openBankIdentity({
    db,
    keys,
    bsimId: config.BSIM_ID,
    name: config.BSIM_NAME,
    issuer: config.BSIM_AUTH_URL,
    openBankingUrl: config.BSIM_OPENBANKING_URL,
    credentialKey: await credentialKeyOf(config),
    credentialLifeDays: config.WALLET_CREDENTIAL_EXPIRY_DAYS,
    local: config.PAYMESH_ENV === "local",
    clock: scope.clock,
    log: scope.log,
  });
}

/** The path of the public address is the path it is served at. */
function openBankingPath(config: BankConfig): string {
  return new URL(config.BSIM_OPENBANKING_URL).pathname.replace(/\/$/, "");
}

async function credentialKeyOf(config: BankConfig): Promise<CredentialKey> {
  const { WALLET_CREDENTIAL_SECRET: secret, WALLET_CREDENTIAL_KEY_FILE: file } = config;
  if (file === undefined) {
    if (secret === undefined) throw new ConfigError(["WALLET_CREDENTIAL_SECRET is not set"]);
    return { secret };
  }
  try {
    return { privateKeyPem: await readFile(file, "utf8") };
  } catch (cause) {
    throw new ConfigError(["WALLET_CREDENTIAL_KEY_FILE: cannot be read"], { cause });
  }
}

async function settleDemoData(
  scope: ServiceScope,
  config: BankConfig,
  db: Database<IdentityTables>,
  pepper: Uint8Array,
): Promise<void> {
  if (config.PAYMESH_ENV === "production") {
    const remains = await findDemoRemains(db, pepper);
    if (remains.length > 0) throw new ConfigError([`the database holds demo data: ${remains.join(", ")}`]);
  } else if (config.BSIM_DEMO_DATA) {
    const count = await seedDemoData(db, config.BSIM_ID, scope.clock.now());
    if (count > 0) scope.log.info({ count }, "demo customers added");
  }
}

function factsOf(config: BankConfig): BankFacts {
  return bankFacts({
    bsimId: config.BSIM_ID,
    name: config.BSIM_NAME,
    apiBaseUrl: config.BSIM_API_URL,
    authServerUrl: config.BSIM_AUTH_URL,
    openBankingUrl: config.BSIM_OPENBANKING_URL,
  });
}

function startRegistering(scope: ServiceScope, config: BankConfig, facts: BankFacts): void {
  const { NSIM_REGISTRY_URL: url, BSIM_REGISTRATION_KEY: registrationKey } = config;
  if (url === undefined || registrationKey === undefined) return;
  const registry = createRegistryClient({ url, registrationKey, facts, paymentApiKey: config.BSIM_PAYMENT_API_KEY });
  scope.onStop("registration", startRegistration({ registry, log: scope.log }).stop);
}

await runService("bank", startBank);
