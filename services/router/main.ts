import { hkdfSync } from "node:crypto";
import { Registry } from "../../gen/es/paymesh/registry/v1/registry_pb.js";
import { openDatabase } from "../platform/db/open-database.ts";
import { startMeshService } from "../platform/lifecycle/mesh-service.ts";
import { runService, type ServiceScope } from "../platform/lifecycle/run-service.ts";
import { createRateLimiter } from "../platform/limits/rate-limiter.ts";
import { createRpcClient } from "../platform/rpc/client.ts";
import { merchantAuthenticator } from "../platform/rpc/merchant-authenticator.ts";
import { loadMeshTls } from "../platform/tls/load-mesh-tls.ts";
import { createSealedBox } from "../platform/vault/sealed-box.ts";
import { assembleDesk } from "./assemble-desk.ts";
import { createBankHttp } from "./clients/bank/bank-http.ts";
import { followRegistry } from "./clients/registry/follow-registry.ts";
import { createRegistryPicture } from "./clients/registry/registry-picture.ts";
import { readRouterConfig } from "./config.ts";
import { createAuthorizer } from "./flows/authorize.ts";
import { startJobs } from "./jobs/start-jobs.ts";
import { routerErrors } from "./rpc/error-table.ts";
import { routerService } from "./rpc/router-service.ts";
import { createReconciliationStore } from "./storage/reconciliation-store.ts";
import { createRegistrySnapshotStore } from "./storage/registry-snapshot-store.ts";
import type { RouterTables } from "./storage/tables.ts";

/** How long a start waits for the Registry's picture when none is kept. Readiness tells when there is one. */
const firstPictureMs = 5_000;

async function start(scope: ServiceScope): Promise<void> {
  const config = readRouterConfig(scope.env);
  const { clock, log } = scope;
  const tls = await loadMeshTls({
    certFile: config.TLS_CERT_FILE,
    keyFile: config.TLS_KEY_FILE,
    caFile: config.TLS_CA_FILE,
  });
  const db = openDatabase<RouterTables>({
    url: config.DATABASE_URL,
    schema: config.DATABASE_SCHEMA,
    applicationName: "paymesh-router",
    poolSizeMax: config.DATABASE_POOL_SIZE,
    log,
  });
  scope.onStop("database", () => db.close());

  const registry = createRpcClient(Registry, { address: config.REGISTRY_ADDRESS, serverName: "registry", tls });
  scope.onStop("registry client", async () => registry.close());
  const picture = createRegistryPicture();
  const snapshots = createRegistrySnapshotStore(db, snapshotBox(config.PAYMENT_ID_KEY));
  const follower = await followRegistry({ client: registry, picture, snapshots, clock, log });
  scope.onStop("registry watch", follower.stop);

  const bankHttp = createBankHttp();
  scope.onStop("bank connections", bankHttp.close);
  const desk = assembleDesk({
    db,
    bankHttp,
    directory: picture,
    healthIsKnown: follower.isHealthKnown,
    defaultBankId: config.DEFAULT_BSIM_ID,
    paymentIdKey: config.PAYMENT_ID_KEY,
    clock,
    log,
  });
  const authorizer = createAuthorizer(desk);
  scope.onStop("payments in flight", authorizer.drain);
  const jobs = startJobs(desk, follower.isUsable);
  scope.onStop("jobs", jobs.stop);

  await follower.firstPicture(firstPictureMs);
  const checks = { registry: async () => follower.isUsable() };
  await startMeshService(scope, {
    name: "router",
    config,
    tls,
    db,
    limiter: createRateLimiter({ db }),
    implementations: [
      routerService({
        desk,
        authorizer,
        reconciliation: createReconciliationStore(db),
        checks: { ...checks, database: () => db.isReady() },
      }),
    ],
    authenticators: { merchant: merchantAuthenticator(config.API_KEY_PEPPER, picture) },
    errorTable: routerErrors,
    checks,
  });
}

/** The kept picture is sealed under a key derived for nothing else (HKDF, RFC 5869). */
function snapshotBox(secret: string): ReturnType<typeof createSealedBox> {
  const key = new Uint8Array(hkdfSync("sha256", secret, "", "paymesh router registry snapshot", 32));
  return createSealedBox({ keys: new Map([["derived-1", key]]), currentKeyId: "derived-1" });
}

await runService("router", start);
