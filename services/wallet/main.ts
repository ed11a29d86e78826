import { openDatabase } from "../platform/db/open-database.ts";
import { every } from "../platform/jobs/every.ts";
import { startJobs } from "../platform/jobs/worker.ts";
import { startMeshService } from "../platform/lifecycle/mesh-service.ts";
import { runService, type ServiceScope } from "../platform/lifecycle/run-service.ts";
import { loadMeshTls, type MeshTls } from "../platform/tls/load-mesh-tls.ts";
import { createCredentialClient } from "./clients/credential-client.ts";
import { createMailer } from "./clients/mailer.ts";
import { openRegistryDirectory, type RegistryDirectory } from "./clients/registry-directory.ts";
import { composeWallet } from "./compose-wallet.ts";
import { readWalletConfig, type WalletConfig } from "./config.ts";
import { repairEnrolments } from "./flows/repair-enrolments.ts";
import type { WalletDeps } from "./flows/wallet-deps.ts";
import { addWalletWeb } from "./http/add-wallet-web.ts";
import { registerEnrolmentCallbacks } from "./http/enrolment-callbacks.ts";
import { registerMobileJwks } from "./http/mobile-jwks.ts";
import { runOidcJobs } from "./jobs/run-oidc-jobs.ts";
import { sweepExpired } from "./jobs/sweep-expired.ts";
import { walletTasks } from "./jobs/wallet-tasks.ts";
import { composeOidc } from "./oidc/compose-oidc.ts";
import { createWalletAuthenticators } from "./rpc/authenticators.ts";
import { walletErrors } from "./rpc/error-table.ts";
import { walletService } from "./rpc/wallet-service.ts";
import type { WalletTables } from "./storage/tables.ts";

const version = "0.1.0";
const repairIntervalMs = 15_000;
const sweepIntervalMs = 60_000;

/** A person's cards, accounts and enrolments. Any number of replicas share one database. */
async function startWallet(scope: ServiceScope): Promise<void> {
  const config = readWalletConfig(scope.env);
  const tls = await loadMeshTls({
    certFile: config.TLS_CERT_FILE,
    keyFile: config.TLS_KEY_FILE,
    caFile: config.TLS_CA_FILE,
  });
  const { deps, directory } = await openWallet(scope, config, tls);
  await startBackgroundWork(scope, config, deps);
  const oidc = composeOidc(deps, {
    clients: directory,
    encryptionKey: config.WALLET_ENCRYPTION_KEY,
    apiKeyPepper: config.API_KEY_PEPPER,
    allowHttp: config.PAYMESH_ENV === "local",
  });
  scope.onStop("oidc jobs", runOidcJobs(oidc).stop);
  const auth = createWalletAuthenticators(deps);
  const checks = { database: () => deps.db.isReady(), directory: async () => directory.isKnown() };
  await startMeshService(scope, {
    name: "wallet",
    config,
    tls,
    db: deps.db,
    limiter: deps.limiter,
    implementations: [walletService(deps, { auth, version, checks })],
    authenticators: auth.authenticators,
    errorTable: walletErrors,
    checks,
    http: async (app) => {
      registerMobileJwks(app, deps.tokens);
      registerEnrolmentCallbacks(app, deps);
      await addWalletWeb(app, oidc);
    },
  });
}

async function openWallet(
  scope: ServiceScope,
  config: WalletConfig,
  tls: MeshTls,
): Promise<{ deps: WalletDeps; directory: RegistryDirectory }> {
  const { log, clock } = scope;
  const db = openDatabase<WalletTables>({
    url: config.DATABASE_URL,
    schema: config.DATABASE_SCHEMA,
    applicationName: "paymesh-wallet",
    poolSizeMax: config.DATABASE_POOL_SIZE,
    log,
  });
  scope.onStop("database", db.close);
  const credential = createCredentialClient({ address: config.CREDENTIAL_ADDRESS, tls });
  scope.onStop("credential client", async () => credential.close());
  const directory = await openRegistryDirectory({ address: config.REGISTRY_ADDRESS, tls, db, clock, log });
  scope.onStop("registry watch", directory.stop);
  const deps = await composeWallet({
    db,
    clock,
    log,
    credential,
    directory,
    encryptionKey: config.WALLET_ENCRYPTION_KEY,
    settings: {
      appUrl: config.WALLET_APP_URL,
      oidcIssuer: config.WALLET_OIDC_ISSUER,
      devCodes: config.WALLET_DEV_CODES,
    },
  });
  return { deps, directory };
}

async function startBackgroundWork(scope: ServiceScope, config: WalletConfig, deps: WalletDeps): Promise<void> {
  const { log } = scope;
  const mailer = createMailer({ smtpUrl: config.SMTP_URL, from: config.MAIL_FROM });
  scope.onStop("mail", async () => mailer.close());
  const jobs = await startJobs({
    url: config.DATABASE_URL,
    schema: config.DATABASE_SCHEMA,
    tasks: walletTasks(deps, mailer),
    log,
  });
  scope.onStop("jobs", jobs.stop);
  const repair = every({
    label: "enrolment repair",
    intervalMs: repairIntervalMs,
    work: (signal) => repairEnrolments(deps, signal),
    log,
  });
  scope.onStop("enrolment repair", repair.stop);
  const sweep = every({
    label: "expiry sweep",
    intervalMs: sweepIntervalMs,
    work: (signal) => sweepExpired(deps, signal),
    log,
  });
  scope.onStop("expiry sweep", sweep.stop);
}

await runService("wallet", startWallet);
