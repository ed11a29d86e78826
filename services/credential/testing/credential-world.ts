import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { Credential } from "../../../gen/es/paymesh/credential/v1/credential_pb.js";
import { readConfig } from "../../platform/config/read-config.ts";
import { createRateLimiter } from "../../platform/limits/rate-limiter.ts";
import type { Authenticator } from "../../platform/rpc/authenticate.ts";
import { createRpcClient, type RpcClient } from "../../platform/rpc/client.ts";
import { startRpcServer } from "../../platform/rpc/grpc-server.ts";
import { merchantAuthenticator } from "../../platform/rpc/merchant-authenticator.ts";
import { operatorAuthenticator } from "../../platform/rpc/operator-authenticator.ts";
import { keyedHash } from "../../platform/secrets/keyed-hash.ts";
import { createLogger } from "../../platform/telemetry/logger.ts";
import { secretsByVersion } from "../../platform/testing/memory-vault-store.ts";
import { createTestDatabase, type TestDatabase } from "../../platform/testing/postgres.ts";
import { ManualClock } from "../../platform/time/manual-clock.ts";
import { ensureAuthority } from "../../platform/tls/authority.ts";
import { loadMeshTls, type MeshTls } from "../../platform/tls/load-mesh-tls.ts";
import type { MasterKeySource } from "../../platform/vault/master-key-source.ts";
import { openProviderHttp } from "../connectors/provider-http.ts";
import { connectorSettingsShape, createConnectors } from "../connectors/registry.ts";
import type { Bank } from "../domain/bank.ts";
import type { Dependencies } from "../flows/dependencies.ts";
import { createProviderTokens } from "../flows/provider-tokens.ts";
import { createRefresher, type Refresher } from "../flows/refresh.ts";
import { credentialImplementation } from "../rpc/credential-handlers.ts";
import { credentialErrors } from "../rpc/error-table.ts";
import { openStorage } from "../storage/open-storage.ts";
import { providerClientsOf } from "../storage/provider-client-store.ts";
import type { Tables } from "../storage/tables.ts";
import { startTestBank, type TestBank } from "./test-bank.ts";
import { type BankAnswer, visitBank } from "./visit-bank.ts";

export type CredentialClient = RpcClient<typeof Credential>;

export const redirectUri = "http://127.0.0.1:8080/api/mobile/enrollment/callback/north-bank";
export const testOperatorKey = "operator-key-of-the-tests-0123456789abcdef";
export const asOperator = { headers: { "x-admin-key": testOperatorKey } };
const testPepper = "pepper-of-the-tests-0123456789abcdef";
const testFirmNames = ["firm-one", "firm-two", "wallet"];
/** What every replica's secrets are sealed under, unless told otherwise. */
export const testMasterKey = "encryption-key-of-the-tests-0123456789";

/** Where consents of the tests come back to, and where people go in the end. */
export const testAddresses = {
  publicUrl: "http://127.0.0.1:65000",
  returnUrls: ["http://127.0.0.1:65001/done", "mwsim://connected"],
};

/** The headers of a user's phone, as the gateway passes them on. */
export function asPhoneOf(userId: string): { headers: Record<string, string> } {
  return { headers: { authorization: `Bearer ${userId}` } };
}

// What the wallet judges elsewhere: here a token is the name of its user.
const testPhones: Authenticator = async (ctx) => {
  const userId = /^Bearer (.+)$/.exec(ctx.header("authorization") ?? "")?.[1];
  return userId === undefined ? undefined : { kind: "mobile_user", userId, deviceId: "device-of-the-test" };
};

/** One replica of the service. */
export interface Replica {
  readonly deps: Dependencies;
  readonly refresher: Refresher;
  /** With the wallet's certificate. */
  readonly wallet: CredentialClient;
  /** With the gateway's, for operators. */
  readonly gateway: CredentialClient;
  stop(): Promise<void>;
}

/** What a replica may have of its own. */
export interface ReplicaOptions {
  readonly leaseMs?: number;
  readonly providerTimeoutMs?: number;
  /** One secret, the same in every replica, unless told. */
  readonly masterKeys?: MasterKeySource;
}

/** A database, a bank, and replicas of the service. */
export interface CredentialWorld {
  readonly database: TestDatabase;
  readonly bank: TestBank;
  readonly clock: ManualClock;
  /** By bank id; tests pause banks here. */
  readonly banks: Map<string, Bank>;
  /** Every line any replica logged. */
  readonly logLines: string[];
  startReplica(options?: ReplicaOptions): Promise<Replica>;
  close(): Promise<void>;
}

/**
 * Makes a world whose bank is known and whose OAuth client is stored; the clock starts at the real time. `settings` are those of
 * the connectors, as the environment would hold them.
 */
export async function createCredentialWorld(
  options: { settings?: Readonly<Record<string, string>> } = {},
): Promise<CredentialWorld> {
  const database = await createTestDatabase({
    schema: "credential",
    directory: new URL("../storage/migrations/", import.meta.url),
  });
  const certificates = await mkdtemp(join(tmpdir(), "paymesh-credential-test-"));
  await ensureAuthority({ directory: certificates, services: ["credential", "gateway", "wallet"] });
  const bank = await startTestBank("north-bank", redirectUri);
  const world = {
    database,
    bank,
    clock: new ManualClock(new Date()),
    banks: new Map([[bank.bank.bankId, bank.bank]]),
    logLines: [] as string[],
    settings: readConfig(z.object(connectorSettingsShape), { PAYMESH_ENV: "local", ...options.settings }),
  };
  const replicas: Replica[] = [];
  return {
    ...world,
    startReplica: async (options = {}) => {
      const replica = await startReplica({ ...world, certificates }, options);
      replicas.push(replica);
      const { clientId, clientSecret } = bank.client;
      await replica.gateway.putProviderClient({ id: bank.bank.bankId, clientId, clientSecret }, asOperator);
      return replica;
    },
    close: async () => {
      for (const replica of replicas) await replica.stop();
      await bank.stop();
      await database.drop();
      await rm(certificates, { recursive: true });
    },
  };
}

/** A firm's key in tests says which firm it is. */
export function asFirm(merchantId: string): { headers: Record<string, string> } {
  return { headers: { "x-api-key": `key-of-${merchantId}` } };
}

const testFirms = merchantAuthenticator(testPepper, {
  merchantKey: (hashHex) =>
    testFirmNames
      .filter((name) => keyedHash(testPepper, `key-of-${name}`).toString("hex") === hashHex)
      .map((merchantId) => ({ merchantId, keyId: "key-1" }))[0],
});

/** A user's owner, as the wallet names him. */
export function ownerNamed(userId: string): { tenant: string; userId: string } {
  return { tenant: "wallet", userId };
}

/** Walks through a whole consent up to the callback. */
export async function consentAtBank(
  wallet: CredentialClient,
  userId: string,
  institutionId = "north-bank",
): Promise<BankAnswer> {
  const begun = await wallet.beginConnect({ owner: ownerNamed(userId), connector: "bsim", institutionId, redirectUri });
  return await visitBank(begun.authUrl, redirectUri);
}

/** Connects a user to the bank; the connection's id. */
export async function connectUser(wallet: CredentialClient, userId: string): Promise<string> {
  const answer = await consentAtBank(wallet, userId);
  const completed = await wallet.completeConnect({ owner: ownerNamed(userId), ...answer });
  return completed.connection?.connectionId ?? "";
}

interface ReplicaParts {
  readonly database: TestDatabase;
  readonly clock: ManualClock;
  readonly banks: Map<string, Bank>;
  readonly logLines: string[];
  readonly certificates: string;
  readonly settings: Readonly<Record<string, unknown>>;
}

async function startReplica(parts: ReplicaParts, options: ReplicaOptions): Promise<Replica> {
  const db = parts.database.open<Tables>();
  const destination = { write: (line: string) => parts.logLines.push(line) };
  const log = createLogger({ service: "credential", level: "debug", destination });
  const http = openProviderHttp();
  const storage = await openStorage({
    db,
    masterKeys: options.masterKeys ?? secretsByVersion({ 1: testMasterKey }),
    log,
  });
  const banks = { find: (bankId: string) => parts.banks.get(bankId), list: () => [...parts.banks.values()] };
  const providerClients = providerClientsOf(storage, parts.clock);
  const { clock } = parts;
  const providerTokens = createProviderTokens({ storage, log, clock, holder: crypto.randomUUID() });
  const connectorParts = { http, banks, providerClients, providerTokens, insecureAllowed: true, clock, log };
  const deps: Dependencies = {
    storage,
    connectors: createConnectors(connectorParts, parts.settings),
    clock,
    log,
    insecureAllowed: true,
    providerTimeoutMs: options.providerTimeoutMs ?? 8_000,
  };
  const leaseMs = options.leaseMs;
  const refresher = createRefresher(deps, {
    holder: crypto.randomUUID(),
    ...(leaseMs === undefined ? {} : { leaseMs }),
  });
  const server = await startRpcServer({
    service: "credential",
    implementations: [credentialImplementation({ deps, refresher, addresses: testAddresses })],
    authenticators: {
      operator: operatorAuthenticator([{ name: "tester", key: testOperatorKey }]),
      mobile_user: testPhones,
      merchant: testFirms,
    },
    errorTable: credentialErrors,
    log,
    limiter: createRateLimiter({ db }),
    tls: await tlsOf(parts.certificates, "credential"),
    host: "127.0.0.1",
    grpcPort: 0,
  });
  const client = async (service: string) =>
    createRpcClient(Credential, {
      address: `127.0.0.1:${server.port}`,
      serverName: "credential",
      tls: await tlsOf(parts.certificates, service),
    });
  const [wallet, gateway] = [await client("wallet"), await client("gateway")];
  let stopped: Promise<void> | undefined;
  const stop = async () => {
    wallet.close();
    gateway.close();
    await server.stop();
    await refresher.idle();
    await http.close();
    await db.close();
  };
  return {
    deps,
    refresher,
    wallet,
    gateway,
    stop: () => {
      stopped ??= stop();
      return stopped;
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
