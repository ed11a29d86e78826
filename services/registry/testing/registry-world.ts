import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Registry } from "../../../gen/es/paymesh/registry/v1/registry_pb.js";
import { createRateLimiter } from "../../platform/limits/rate-limiter.ts";
import { createRpcClient, type RpcClient } from "../../platform/rpc/client.ts";
import { startRpcServer } from "../../platform/rpc/grpc-server.ts";
import { operatorAuthenticator } from "../../platform/rpc/operator-authenticator.ts";
import { createLogger } from "../../platform/telemetry/logger.ts";
import { createTestDatabase, type TestDatabase } from "../../platform/testing/postgres.ts";
import { systemClock } from "../../platform/time/clock.ts";
import { ensureAuthority } from "../../platform/tls/authority.ts";
import { loadMeshTls, type MeshTls } from "../../platform/tls/load-mesh-tls.ts";
import { keyAuthenticators } from "../rpc/authenticators.ts";
import type { RegistryDeps } from "../rpc/deps.ts";
import { registryErrors } from "../rpc/error-table.ts";
import { registryImplementation } from "../rpc/registry-handlers.ts";
import { createAccessKeyStore } from "../storage/access-key-store.ts";
import { createBankKeyBox } from "../storage/bank-key-box.ts";
import { createBankStore } from "../storage/bank-store.ts";
import { createChangeReader } from "../storage/change-reader.ts";
import { createMerchantStore } from "../storage/merchant-store.ts";
import { createOauthClientStore } from "../storage/oauth-client-store.ts";
import { createProbeStore } from "../storage/probe-store.ts";
import type { RegistryDatabase, RegistryTables } from "../storage/tables.ts";
import { createChangeFeed } from "../watch/change-feed.ts";

export type RegistryClient = RpcClient<typeof Registry>;

export const testPepper = "pepper-of-the-registry-tests-0123456789";
export const testOperatorKey = "operator-key-of-the-tests-0123456789abcdef";
export const asOperator = { headers: { "x-admin-key": testOperatorKey } };

/** Headers of a call with this API key. */
export function withKey(key: string): { headers: Record<string, string> } {
  return { headers: { "x-api-key": key } };
}

/** One replica of the Registry, served over gRPC with mutual TLS. */
export interface Replica {
  readonly deps: RegistryDeps;
  readonly db: RegistryDatabase;
  readonly port: number;
  /** A client with the certificate of this service; `gateway` for callers that prove themselves by headers. */
  as(service: "gateway" | "router" | "wallet"): RegistryClient;
  stop(): Promise<void>;
}

/** A database and the certificates of a small mesh. */
export interface RegistryWorld {
  readonly database: TestDatabase;
  /** `certificates/registry.pem` and so on. */
  readonly certificates: string;
  startReplica(rules?: "local" | "production"): Promise<Replica>;
  close(): Promise<void>;
}

/** Stores over one pool, as `main.ts` makes them. */
export function registryDeps(db: RegistryDatabase, rules: "local" | "production" = "local"): RegistryDeps {
  const clock = systemClock;
  const log = createLogger({ service: "registry", level: "silent" });
  const box = createBankKeyBox(["registry-encryption-key-of-the-tests-01234"]);
  const reader = createChangeReader({ db });
  return {
    banks: createBankStore({ db, box, clock }),
    probes: createProbeStore({ db }),
    merchants: createMerchantStore({ db, clock }),
    clients: createOauthClientStore({ db, clock }),
    keys: createAccessKeyStore({ db, clock }),
    reader,
    feed: createChangeFeed({ reader, log }),
    box,
    pepper: testPepper,
    rules,
  };
}

/** A migrated database of the Registry's. */
export function createRegistryDatabase(): Promise<TestDatabase> {
  return createTestDatabase({
    schema: "registry",
    directory: new URL("../storage/migrations/", import.meta.url),
  });
}

/** Makes a world; `close` stops every replica started in it. */
export async function createRegistryWorld(): Promise<RegistryWorld> {
  const database = await createRegistryDatabase();
  const certificates = await mkdtemp(join(tmpdir(), "paymesh-registry-test-"));
  await ensureAuthority({ directory: certificates, services: ["registry", "gateway", "router", "wallet"] });
  const replicas: Replica[] = [];
  return {
    database,
    certificates,
    startReplica: async (rules) => {
      const replica = await startReplica(database, certificates, rules);
      replicas.push(replica);
      return replica;
    },
    close: async () => {
      for (const replica of replicas) await replica.stop();
      await database.drop();
      await rm(certificates, { recursive: true });
    },
  };
}

function tlsOf(certificates: string, service: string): Promise<MeshTls> {
  return loadMeshTls({
    certFile: join(certificates, `${service}.pem`),
    keyFile: join(certificates, `${service}.key`),
    caFile: join(certificates, "ca.pem"),
  });
}

async function startReplica(
  database: TestDatabase,
  certificates: string,
  rules?: "local" | "production",
): Promise<Replica> {
  const db = database.open<RegistryTables>();
  const deps = registryDeps(db, rules);
  const server = await startRpcServer({
    service: "registry",
    implementations: [registryImplementation(deps)],
    authenticators: {
      operator: operatorAuthenticator([{ name: "tester", key: testOperatorKey }]),
      ...keyAuthenticators({ keys: deps.keys, pepper: testPepper }),
    },
    errorTable: registryErrors,
    log: createLogger({ service: "registry", level: "silent" }),
    limiter: createRateLimiter({ db }),
    tls: await tlsOf(certificates, "registry"),
    host: "127.0.0.1",
    grpcPort: 0,
  });
  const clients = new Map<string, RegistryClient>();
  for (const service of ["gateway", "router", "wallet"]) {
    const tls = await tlsOf(certificates, service);
    const address = `127.0.0.1:${server.port}`;
    clients.set(service, createRpcClient(Registry, { address, serverName: "registry", tls }));
  }
  let stopped: Promise<void> | undefined;
  const stop = async () => {
    await deps.feed.stop();
    for (const client of clients.values()) client.close();
    await server.stop();
    await db.close();
  };
  return {
    deps,
    db,
    port: server.port,
    as: (service) => {
      const client = clients.get(service);
      if (!client) throw new Error(`no client for ${service}`);
      return client;
    },
    stop: () => {
      stopped ??= stop();
      return stopped;
    },
  };
}
