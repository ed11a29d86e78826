import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { FastifyInstance } from "fastify";
import { Wallet } from "../../../gen/es/paymesh/wallet/v1/wallet_pb.js";
import type { Database } from "../../platform/db/open-database.ts";
import { createHttpServer } from "../../platform/http/create-http-server.ts";
import { uuidv7 } from "../../platform/ids/uuidv7.ts";
import { createRpcClient, type RpcClient } from "../../platform/rpc/client.ts";
import { startRpcServer } from "../../platform/rpc/grpc-server.ts";
import { RpcError } from "../../platform/rpc/rpc-error.ts";
import { randomToken } from "../../platform/secrets/random-token.ts";
import { createLogger } from "../../platform/telemetry/logger.ts";
import { createTestDatabase } from "../../platform/testing/postgres.ts";
import { ManualClock } from "../../platform/time/manual-clock.ts";
import { ensureAuthority } from "../../platform/tls/authority.ts";
import { loadMeshTls } from "../../platform/tls/load-mesh-tls.ts";
import type { BankDirectory, DirectoryBank } from "../clients/bank-directory.ts";
import { createCredentialClient } from "../clients/credential-client.ts";
import type { OwnerNotices } from "../clients/owner-notices.ts";
import { composeWallet } from "../compose-wallet.ts";
import type { WalletDeps } from "../flows/wallet-deps.ts";
import { registerEnrolmentCallbacks } from "../http/enrolment-callbacks.ts";
import { registerMobileJwks } from "../http/mobile-jwks.ts";
import { createWalletAuthenticators } from "../rpc/authenticators.ts";
import { walletErrors } from "../rpc/error-table.ts";
import { walletService } from "../rpc/wallet-service.ts";
import type { WalletTables } from "../storage/tables.ts";
import { CredentialStandIn } from "./credential-stand-in.ts";

export const appUrl = "http://wallet.example";
export const oidcIssuer = "http://pay.wallet.example";
export const connectionsUrl = "http://wallet.example/connections";

/** A wallet with its own database, served over gRPC and HTTP as in production, beside a Credential stand-in. */
export interface TestWallet {
  readonly deps: WalletDeps;
  readonly db: Database<WalletTables>;
  readonly clock: ManualClock;
  readonly credential: CredentialStandIn;
  readonly http: FastifyInstance;
  readonly banks: DirectoryBank[];
  readonly databaseUrl: string;
  readonly api: RpcClient<typeof Wallet>;
  /** With the certificate of the credential service. */
  readonly credentialsApi: RpcClient<typeof Wallet>;
  readonly notices: OwnerNotices;
  /** A second process of the same wallet: everything new but database and keys. */
  replica(): Promise<Replica>;
  stop(): Promise<void>;
}

/** One process of the wallet. */
export interface Replica {
  readonly deps: WalletDeps;
  readonly http: FastifyInstance;
  readonly api: RpcClient<typeof Wallet>;
  readonly credentialsApi: RpcClient<typeof Wallet>;
}

/** Two banks, `north-bank` and `maple-bank`, each with one customer who has two cards and one account. */
export async function startTestWallet(): Promise<TestWallet> {
  const directory = await mkdtemp(join(tmpdir(), "paymesh-wallet-test-"));
  await ensureAuthority({ directory, services: ["wallet", "credential", "gateway"] });
  const tlsOf = (service: string) =>
    loadMeshTls({
      certFile: join(directory, `${service}.pem`),
      keyFile: join(directory, `${service}.key`),
      caFile: join(directory, "ca.pem"),
    });
  const database = await createTestDatabase({
    schema: "wallet",
    directory: new URL("../storage/migrations/", import.meta.url),
    jobs: true,
  });
  const clock = new ManualClock(new Date());
  const credential = new CredentialStandIn();
  const served = await credential.start(await tlsOf("credential"));
  const banks: DirectoryBank[] = [];
  for (const [bsimId, name] of [
    ["north-bank", "North Bank"],
    ["maple-bank", "Maple Credit Union"],
  ] as const) {
    banks.push({ bsimId, name, logoUrl: undefined, enrollable: true });
    credential.addBank(bsimId, {
      ownerReference: `${bsimId}-customer1`,
      email: "customer1@example.com",
      name: "Ada Lovelace",
      cards: [card(`${bsimId}-visa`, "VISA", "4242"), card(`${bsimId}-mc`, "MC", "5454")],
      balances: [123_456n],
    });
  }
  const encryptionKey = randomToken(32);
  const log = createLogger({ service: "wallet", level: "silent" });
  const stops: (() => Promise<unknown>)[] = [];
  const credentialTls = await tlsOf("wallet");
  const startReplica = async (): Promise<Replica & { db: Database<WalletTables>; notices: OwnerNotices }> => {
    const db = database.open<WalletTables>();
    const client = createCredentialClient({ address: served.address, tls: credentialTls });
    const settings = { appUrl, oidcIssuer, connectionsUrl, devCodes: true };
    const knownBanks = directoryOf(banks);
    const parts = { db, clock, log, settings, encryptionKey, credential: client, directory: knownBanks };
    const deps = await composeWallet(parts);
    const auth = createWalletAuthenticators(deps);
    const server = await startRpcServer({
      service: "wallet",
      implementations: [walletService(deps, { auth, version: "test", checks: { database: () => db.isReady() } })],
      authenticators: auth.authenticators,
      errorTable: walletErrors,
      log,
      tls: await tlsOf("wallet"),
      host: "127.0.0.1",
      grpcPort: 0,
    });
    const address = `127.0.0.1:${server.port}`;
    const api = createRpcClient(Wallet, { address, tls: await tlsOf("gateway"), serverName: "wallet" });
    const credentialsApi = createRpcClient(Wallet, {
      address,
      tls: await tlsOf("credential"),
      serverName: "wallet",
    });
    const http = createHttpServer({ service: "wallet", errorTable: walletErrors, log });
    registerEnrolmentCallbacks(http, deps);
    registerMobileJwks(http, deps.tokens);
    stops.push(async () => {
      api.close();
      credentialsApi.close();
      client.close();
      await http.close();
      await server.stop();
    });
    return { deps, http, api, credentialsApi, db, notices: client.notices };
  };
  const first = await startReplica();
  return {
    ...first,
    clock,
    credential,
    banks,
    databaseUrl: database.url,
    replica: startReplica,
    stop: async () => {
      for (const stop of stops) await stop();
      await served.stop();
      await database.drop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** A card as a bank lists it. */
export function card(cardRef: string, cardType: string, lastFour: string) {
  return { cardRef, cardType, cardHolder: "ADA LOVELACE", lastFour, expiryMonth: 12, expiryYear: 2030 };
}

function directoryOf(banks: readonly DirectoryBank[]): BankDirectory {
  return {
    bank: (bsimId) => banks.find((bank) => bank.bsimId === bsimId),
    enrollableBanks: () => banks.filter((bank) => bank.enrollable),
  };
}

/** A person signed up on a phone of their own. */
export interface Phone {
  readonly email: string;
  readonly deviceId: string;
  readonly userId: string;
  readonly accessToken: string;
  readonly refreshToken: string;
  /** Call options that carry the access token. */
  readonly auth: { readonly headers: Readonly<Record<string, string>> };
}

/** An address nobody has, also when a test is tried again. */
export function newEmail(): string {
  return `p${uuidv7()}@example.com`;
}

/** Signs a new person up by phone; unverified until a code is used. */
export async function signUp(api: TestWallet["api"], email = newEmail()): Promise<Phone> {
  const deviceId = `device-${uuidv7()}`;
  const phone = { email, name: "Ada Lovelace", deviceId, deviceName: "Phone", platform: "ios" };
  const { user, tokens } = await api.signUp(phone);
  return phoneOf(email, deviceId, user?.id ?? "", tokens);
}

/** Signs a person in by a code, on a device. */
export async function signInByCode(api: TestWallet["api"], email: string, deviceId: string): Promise<Phone> {
  const started = await api.startSignIn({ email, deviceId });
  const code = started.devCode ?? "";
  const { user, tokens } = await api.verifySignIn({ challenge: started.challenge, code, deviceId });
  return phoneOf(email, deviceId, user?.id ?? "", tokens);
}

function phoneOf(
  email: string,
  deviceId: string,
  userId: string,
  tokens: { accessToken: string; refreshToken: string } | undefined,
): Phone {
  const { accessToken, refreshToken } = tokens ?? { accessToken: "", refreshToken: "" };
  const auth = { headers: { authorization: `Bearer ${accessToken}` } };
  return { email, deviceId, userId, accessToken, refreshToken, auth };
}

/** What a failed call looked like to a REST client: HTTP status and `error` word; the answer itself is a failure here. */
export async function failureOf(call: Promise<unknown>): Promise<{ status: number | undefined; error: string }> {
  const thrown = await call.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!(thrown instanceof RpcError)) throw new Error(`expected a refusal, got ${String(thrown)}`);
  return { status: thrown.httpStatus, error: thrown.reason };
}

/** Walks through a bank's consent by phone and gives the deep link's query. */
export async function enrol(
  wallet: Pick<TestWallet, "api" | "http">,
  phone: Phone,
  bsimId: string,
): Promise<URLSearchParams> {
  const { state } = await wallet.api.startEnrollment({ bsimId }, phone.auth);
  return await comeBack(wallet.http, bsimId, { code: "c1", state });
}

/** The bank's redirect to a phone's callback; gives the deep link's query. */
export async function comeBack(
  http: FastifyInstance,
  bsimId: string,
  query: Record<string, string>,
): Promise<URLSearchParams> {
  const answer = await http.inject({ url: `/api/mobile/enrollment/callback/${bsimId}`, query });
  if (answer.statusCode !== 302) throw new Error(`expected a redirect, got ${answer.statusCode}`);
  const location = String(answer.headers["location"]);
  if (!location.startsWith("mwsim://enrollment/callback?")) throw new Error(`unexpected target ${location}`);
  return new URLSearchParams(location.slice(location.indexOf("?")));
}
