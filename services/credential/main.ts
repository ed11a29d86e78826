import { hostname } from "node:os";
import { openDatabase } from "../platform/db/open-database.ts";
import { startMeshService } from "../platform/lifecycle/mesh-service.ts";
import { runService, type ServiceScope } from "../platform/lifecycle/run-service.ts";
import { createRateLimiter } from "../platform/limits/rate-limiter.ts";
import { errorPage } from "../platform/pages/error-page.ts";
import { merchantAuthenticator } from "../platform/rpc/merchant-authenticator.ts";
import { randomHex } from "../platform/secrets/random-token.ts";
import { loadMeshTls, type MeshTls } from "../platform/tls/load-mesh-tls.ts";
import { watchBanks } from "./clients/bank-directory.ts";
import { createMobileUsers, type MobileUsers } from "./clients/mobile-users.ts";
import { createWebVisitors, type WebVisitors } from "./clients/web-visitors.ts";
import { type CredentialConfig, readCredentialConfig } from "./config.ts";
import { openProviderHttp } from "./connectors/provider-http.ts";
import { createConnectors } from "./connectors/registry.ts";
import type { Dependencies } from "./flows/dependencies.ts";
import { createProviderTokens } from "./flows/provider-tokens.ts";
import { createRefresher } from "./flows/refresh.ts";
import { addConnectorRoutes } from "./http/connector-routes.ts";
import { createConsentBrowsers } from "./http/consent-browsers.ts";
import { addConnectEndPage } from "./http/pages/connect-end-page.ts";
import { addConnectionPages } from "./http/pages/connection-pages.ts";
import { connectionsBrand, connectionsWayOn } from "./http/pages/page-context.ts";
import { addWebhookRoutes } from "./http/webhook-routes.ts";
import { startJobs } from "./jobs/start-jobs.ts";
import { startWebhookWorker } from "./jobs/webhook-worker.ts";
import { masterKeysOf } from "./master-keys.ts";
import { credentialImplementation } from "./rpc/credential-handlers.ts";
import { credentialErrors } from "./rpc/error-table.ts";
import { openStorage } from "./storage/open-storage.ts";
import { providerClientsOf } from "./storage/provider-client-store.ts";
import type { Tables } from "./storage/tables.ts";

/** Holds every bank and provider secret. Any number of replicas share one database. */
async function startCredential(scope: ServiceScope): Promise<void> {
  const { log, clock } = scope;
  const config = readCredentialConfig(scope.env);
  const tls = await loadMeshTls({
    certFile: config.TLS_CERT_FILE,
    keyFile: config.TLS_KEY_FILE,
    caFile: config.TLS_CA_FILE,
  });
  const db = openDatabase<Tables>({
    url: config.DATABASE_URL,
    schema: config.DATABASE_SCHEMA,
    applicationName: "paymesh-credential",
    poolSizeMax: config.DATABASE_POOL_SIZE,
    log,
  });
  scope.onStop("database", db.close);
  const storage = await openStorage({ db, masterKeys: masterKeysOf(config), log });

  const http = openProviderHttp();
  scope.onStop("bank connections", http.close);
  const banks = watchBanks({ address: config.REGISTRY_ADDRESS, tls, log });
  scope.onStop("registry watch", banks.stop);

  const insecureAllowed = config.PAYMESH_ENV === "local";
  const providerClients = providerClientsOf(storage, clock);
  const holder = `${hostname()}-${process.pid}-${randomHex(4)}`;
  const providerTokens = createProviderTokens({ storage, log, clock, holder });
  const parts = { http, banks, providerClients, providerTokens, insecureAllowed, clock, log };
  const deps: Dependencies = {
    storage,
    connectors: createConnectors(parts, config),
    clock,
    log,
    insecureAllowed,
    providerTimeoutMs: config.PROVIDER_TIMEOUT_MS,
  };
  const refresher = createRefresher(deps, { holder });
  scope.onStop("refreshes in flight", refresher.idle);
  scope.onStop("jobs", startJobs({ deps, refresher, holder, retentionDays: config.TRANSACTION_RETENTION_DAYS }));
  const webhooks = startWebhookWorker(deps);
  scope.onStop("webhooks", webhooks.stop);
  const limiter = createRateLimiter({ db });
  const mobileUsers = openMobileUsers(scope, config, tls);
  const visitors = openWebVisitors(scope, config, tls);
  const publicUrl = config.CREDENTIAL_PUBLIC_URL;
  const addresses = { publicUrl: publicUrl ?? "", returnUrls: config.CREDENTIAL_RETURN_URLS };
  await startMeshService(scope, {
    name: "credential",
    config,
    tls,
    db,
    limiter,
    implementations: [credentialImplementation({ deps, refresher, addresses })],
    authenticators: {
      merchant: merchantAuthenticator(config.API_KEY_PEPPER, banks),
      ...(mobileUsers === undefined ? {} : { mobile_user: mobileUsers.authenticate }),
    },
    errorTable: credentialErrors,
    errorPage: (error) => errorPage(connectionsBrand, error, { wayOn: connectionsWayOn }),
    checks: { registry: async () => banks.isReady() },
    http: async (app) => {
      const secure = publicUrl?.startsWith("https:") ?? true;
      const browsers = createConsentBrowsers({ key: storage.browserMarkKey, secure });
      addWebhookRoutes(app, { deps, limiter, wake: webhooks.wake });
      addConnectorRoutes(app, { deps, limiter, mobileUser: mobileUsers?.authenticate, browsers });
      addConnectEndPage(app, { limiter, log });
      if (visitors !== undefined && publicUrl !== undefined) {
        addConnectionPages(app, { deps, refresher, limiter, visitors, publicUrl, browsers });
      }
    },
  });
}

function openMobileUsers(scope: ServiceScope, config: CredentialConfig, tls: MeshTls): MobileUsers | undefined {
  if (config.WALLET_ADDRESS === undefined) return undefined;
  const users = createMobileUsers({ address: config.WALLET_ADDRESS, tls, clock: scope.clock });
  scope.onStop("wallet client", async () => users.close());
  return users;
}

function openWebVisitors(scope: ServiceScope, config: CredentialConfig, tls: MeshTls): WebVisitors | undefined {
  if (config.WALLET_ADDRESS === undefined) return undefined;
  const visitors = createWebVisitors({ address: config.WALLET_ADDRESS, tls });
  scope.onStop("wallet client of pages", async () => visitors.close());
  return visitors;
}

await runService("credential", startCredential);
