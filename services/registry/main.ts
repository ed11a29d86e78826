import { ConfigError } from "../platform/config/config-error.ts";
import { openDatabase } from "../platform/db/open-database.ts";
import { every } from "../platform/jobs/every.ts";
import { startMeshService } from "../platform/lifecycle/mesh-service.ts";
import { runService, type ServiceScope } from "../platform/lifecycle/run-service.ts";
import { createRateLimiter } from "../platform/limits/rate-limiter.ts";
import { loadMeshTls } from "../platform/tls/load-mesh-tls.ts";
import { createBankHealthClient } from "./clients/bank-health.ts";
import { type RegistryConfig, readRegistryConfig } from "./config.ts";
import { probeBanks } from "./jobs/probe-banks.ts";
import { keyAuthenticators } from "./rpc/authenticators.ts";
import type { RegistryDeps } from "./rpc/deps.ts";
import { registryErrors } from "./rpc/error-table.ts";
import { registryImplementation } from "./rpc/registry-handlers.ts";
import { createAccessKeyStore } from "./storage/access-key-store.ts";
import { createBankKeyBox } from "./storage/bank-key-box.ts";
import { createBankStore } from "./storage/bank-store.ts";
import { createChangeReader } from "./storage/change-reader.ts";
import { findDemoRemains } from "./storage/demo-remains.ts";
import { createMerchantStore } from "./storage/merchant-store.ts";
import { createOauthClientStore } from "./storage/oauth-client-store.ts";
import { createProbeStore } from "./storage/probe-store.ts";
import type { RegistryTables } from "./storage/tables.ts";
import { createChangeFeed } from "./watch/change-feed.ts";

/** How often due probes are looked for; a bank that registered waits no longer than this for its first. */
const probeLookMs = 500;

/** Who takes part: banks, merchants and OAuth clients. Any number of replicas share one database. */
async function startRegistry(scope: ServiceScope): Promise<void> {
  const { log, clock } = scope;
  const config = readRegistryConfig(scope.env);
  const tls = await loadMeshTls({
    certFile: config.TLS_CERT_FILE,
    keyFile: config.TLS_KEY_FILE,
    caFile: config.TLS_CA_FILE,
  });
  const db = openDatabase<RegistryTables>({
    url: config.DATABASE_URL,
    schema: config.DATABASE_SCHEMA,
    applicationName: "paymesh-registry",
    poolSizeMax: config.DATABASE_POOL_SIZE,
    log,
  });
  scope.onStop("database", db.close);

  const secrets = [config.REGISTRY_ENCRYPTION_KEY, config.REGISTRY_ENCRYPTION_KEY_PREVIOUS];
  const box = createBankKeyBox(secrets.filter((secret) => secret !== undefined));
  const keys = createAccessKeyStore({ db, clock });
  const pepper = config.API_KEY_PEPPER;
  if (config.PAYMESH_ENV === "production") {
    const remains = await findDemoRemains({ db, keys, box, pepper });
    if (remains.length > 0) throw new ConfigError(remains);
  }

  const reader = createChangeReader({ db });
  const feed = createChangeFeed({ reader, log });
  const deps: RegistryDeps = {
    banks: createBankStore({ db, box, clock }),
    probes: createProbeStore({ db }),
    merchants: createMerchantStore({ db, clock }),
    clients: createOauthClientStore({ db, clock }),
    keys,
    reader,
    feed,
    box,
    pepper,
    rules: config.PAYMESH_ENV,
  };
  startProbes(scope, config, deps);
  await startMeshService(scope, {
    name: "registry",
    config,
    tls,
    db,
    limiter: createRateLimiter({ db }),
    implementations: [registryImplementation(deps)],
    authenticators: keyAuthenticators({ keys, pepper }),
    errorTable: registryErrors,
  });
  // Registered last, so it ends first: streams would otherwise hold the ports open until their drain time is over.
  scope.onStop("watch streams", feed.stop);
}

function startProbes(scope: ServiceScope, config: RegistryConfig, deps: RegistryDeps): void {
  const times = {
    intervalMs: config.HEALTH_PROBE_INTERVAL_MS,
    openMs: config.HEALTH_CIRCUIT_OPEN_MS,
    timeoutMs: config.HEALTH_PROBE_TIMEOUT_MS,
  };
  const client = createBankHealthClient({ timeoutMs: times.timeoutMs, rules: config.PAYMESH_ENV });
  const loop = every({
    label: "bank health probes",
    intervalMs: probeLookMs,
    log: scope.log,
    work: (signal) => probeBanks({ store: deps.probes, client, times, log: scope.log }, signal),
  });
  scope.onStop("bank health probes", async () => {
    await loop.stop();
    await client.close();
  });
}

await runService("registry", startRegistry);
