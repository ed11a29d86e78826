import { openDatabase } from "../platform/db/open-database.ts";
import { every } from "../platform/jobs/every.ts";
import { jobConnectionsMax, startJobs } from "../platform/jobs/worker.ts";
import { startMeshService } from "../platform/lifecycle/mesh-service.ts";
import { runService, type ServiceScope } from "../platform/lifecycle/run-service.ts";
import { errorPage } from "../platform/pages/error-page.ts";
import { loadMeshTls, type MeshTls } from "../platform/tls/load-mesh-tls.ts";
import { createCredentialClient } from "./clients/credential-client.ts";
import { createMailer } from "./clients/mailer.ts";
import type { OwnerNotices } from "./clients/owner-notices.ts";
import { openRegistryDirectory, type RegistryDirectory } from "./clients/registry-directory.ts";
import { composeWallet } from "./compose-wallet.ts";
import { readWalletConfig, type WalletConfig } from "./config.ts";
import { eraseClosedAccounts } from "./flows/close-account.ts";
import { repairEnrolments } from "./flows/repair-enrolments.ts";
import type { WalletDeps } from "./flows/wallet-deps.ts";
import { addWalletWeb } from "./http/add-wallet-web.ts";
import { registerEnrolmentCallbacks } from "./http/enrolment-callbacks.ts";
import { registerMobileJwks } from "./http/mobile-jwks.ts";
import { walletBrand } from "./http/wallet-brand.ts";
import { runOidcJobs } from "./jobs/run-oidc-jobs.ts";
import { sweepExpired } from "./jobs/sweep-expired.ts";
import { tellOwners } from "./jobs/tell-owners.ts";
import { walletTasks } from "./jobs/wallet-tasks.ts";
import { composeOidc } from "./oidc/compose-oidc.ts";
import { createWalletAuthenticators } from "./rpc/authenticators.ts";
import { walletErrors } from "./rpc/error-table.ts";
import { walletService } from "./rpc/wallet-service.ts";
import type { WalletTables } from "./storage/tables.ts";

const version = "0.1.0";
const repairIntervalMs = 15_000;
const sweepIntervalMs = 60_000;
const noticesIntervalMs = 5_000;
const erasuresIntervalMs = 15_000;

/** A person's cards, accounts and enrolments. Any number of replicas share one database. */
async function startWallet(scope: ServiceScope): Promise<void> {
  const config = readWalletConfig(scope.env);
  const tls = await loadMeshTls({
    certFile: config.TLS_CERT_FILE,
    keyFile: config.TLS_KEY_FILE,
    caFile: config.TLS_CA_FILE,
  });
  const { deps, directory, notices } = await openWallet(scope, config, tls);
  await startBackgroundWork(scope, config, deps);
  startPeriodicWork(scope, deps, notices);
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
    errorPage: (error) => errorPage(walletBrand, error, { wayOn: { label: "Go to the wallet", href: "/wallet" } }),
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
): Promise<{ deps: WalletDeps; directory: RegistryDirectory; notices: OwnerNotices }> {
  const { log, clock } = scope;
  const db = openDatabase<WalletTables>({
    url: config.DATABASE_URL,
    schema: config.DATABASE_SCHEMA,
    applicationName: "paymesh-wallet",
    poolSizeMax: config.DATABASE_POOL_SIZE - jobConnectionsMax,
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
      connectionsUrl: config.WALLET_CONNECTIONS_URL,
      devCodes: config.WALLET_DEV_CODES,
    },
  });
  return { deps, directory, notices: credential.notices };
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
}

/** What comes back by itself. Each claims its rows, so any number of replicas may run it. */
function startPeriodicWork(scope: ServiceScope, deps: WalletDeps, notices: OwnerNotices): void {
  const { log } = scope;
  const works: readonly [label: string, intervalMs: number, work: (signal: AbortSignal) => Promise<unknown>][] = [
    ["enrolment repair", repairIntervalMs, (signal) => repairEnrolments(deps, signal)],
    ["expiry sweep", sweepIntervalMs, (signal) => sweepExpired(deps, signal)],
    ["notices of connections", noticesIntervalMs, (signal) => tellOwners(deps, notices, signal)],
    ["closed accounts", erasuresIntervalMs, (signal) => eraseClosedAccounts(deps, signal)],
  ];
  for (const [label, intervalMs, work] of works) {
    scope.onStop(label, every({ label, intervalMs, work, log }).stop);
  }
}

await runService("wallet", startWallet);
