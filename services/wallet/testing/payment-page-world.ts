import { createServer } from "node:net";
import type { FastifyInstance } from "fastify";
import pino from "pino";
import { createHttpServer } from "../../platform/http/create-http-server.ts";
import { keyedHash } from "../../platform/secrets/keyed-hash.ts";
import { randomToken } from "../../platform/secrets/random-token.ts";
import { createTestDatabase, type TestDatabase } from "../../platform/testing/postgres.ts";
import { ManualClock } from "../../platform/time/manual-clock.ts";
import type { BankDirectory } from "../clients/bank-directory.ts";
import type { Connection, CredentialConnections } from "../clients/credential-connections.ts";
import { ConnectionError } from "../clients/credential-connections.ts";
import type { OauthClientDirectory, OauthClientRecord } from "../clients/oauth-clients.ts";
import { composeWallet } from "../compose-wallet.ts";
import type { ListedCard } from "../domain/card-list.ts";
import type { ConnectionStanding } from "../domain/owner-notice.ts";
import { openMail } from "../flows/queue-mail.ts";
import { addWalletWeb } from "../http/add-wallet-web.ts";
import { registerEnrolmentCallbacks } from "../http/enrolment-callbacks.ts";
import { composeOidc } from "../oidc/compose-oidc.ts";
import type { OidcDeps } from "../oidc/oidc-deps.ts";
import { walletErrors } from "../rpc/error-table.ts";
import type { WalletTables } from "../storage/tables.ts";

const pepper = "pepper of the test";
export const clientSecret = "first secret of the merchant";
export const secondSecret = "second secret of the merchant";
export const redirectUri = "http://127.0.0.1:9/payment/wallet-callback";

/** What the bank's side was asked, and how it answers: the contract of the service that holds bank secrets, in process. */
export interface CredentialStandIn extends CredentialConnections {
  readonly requested: Array<{
    merchantId: string;
    amountMinor: bigint;
    currency: string;
    cardRef: string;
    cardToken: string;
  }>;
  readonly revoked: string[];
  readonly connections: Map<string, Connection>;
  /** The next card token requests fail so. */
  failWith: ConnectionError | undefined;
  /** How connections stand, beside those of banks. */
  readonly standings: ConnectionStanding[];
  /** Whose everything was erased; erasures fail while `erasureFails`. */
  readonly erased: string[];
  erasureFails: boolean;
  /** How long card tokens live. */
  tokenLifeMs: number;
  /** Card token requests wait for this. */
  hold: Promise<void> | undefined;
}

export interface World {
  readonly database: TestDatabase;
  readonly deps: OidcDeps;
  readonly issuer: string;
  readonly clock: ManualClock;
  readonly credential: CredentialStandIn;
  readonly clients: Map<string, OauthClientRecord>;
  /** The newest code mailed to an address. */
  codeFor(email: string): Promise<string>;
  /** Closes the server and starts another on the same port and database: a restart, or the next replica. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

/** A wallet over real HTTP and PostgreSQL; the banks behind it are a contract server in this process. */
export async function startWorld(): Promise<World> {
  const database = await createTestDatabase({
    schema: "wallet",
    directory: new URL("../storage/migrations/", import.meta.url),
    jobs: true,
  });
  const port = await freePort();
  const issuer = `http://127.0.0.1:${port}`;
  const clock = new ManualClock(new Date());
  const credential = createCredentialStandIn(issuer, clock);
  const clients = new Map([
    ["ssim-merchant", merchant("ssim-merchant")],
    ["other-shop", merchant("other-shop")],
  ]);
  const db = database.open<WalletTables>();
  const wallet = await composeWallet({
    db,
    clock,
    log: pino({ level: "silent" }),
    settings: { appUrl: issuer, oidcIssuer: issuer, connectionsUrl: `${issuer}/connections`, devCodes: false },
    encryptionKey: "k".repeat(32),
    credential,
    directory: banks,
  });
  const directory: OauthClientDirectory = { find: (id) => clients.get(id) };
  const deps = composeOidc(wallet, {
    clients: directory,
    encryptionKey: "k".repeat(32),
    apiKeyPepper: pepper,
    allowHttp: true,
  });
  let app = await serve(deps, port);
  return {
    database,
    deps,
    issuer,
    clock,
    credential,
    clients,
    codeFor: async (email) => {
      const code = await codeFor(deps, email);
      // So that the next mail is a later one.
      clock.advance(1);
      return code;
    },
    restart: async () => {
      await app.close();
      app = await serve(deps, port);
    },
    close: async () => {
      await app.close();
      await database.drop();
    },
  };
}

async function serve(deps: OidcDeps, port: number): Promise<FastifyInstance> {
  const app = createHttpServer({ service: "wallet", errorTable: walletErrors, log: pino({ level: "silent" }) });
  await addWalletWeb(app, deps);
  registerEnrolmentCallbacks(app, deps);
  await app.listen({ host: "127.0.0.1", port });
  return app;
}

function merchant(clientId: string): OauthClientRecord {
  return {
    clientId,
    name: clientId === "ssim-merchant" ? "Birch & Pine" : "Other Shop",
    redirectUris: [redirectUri],
    postLogoutRedirectUris: [],
    scopes: ["openid", "profile", "email", "payment:authorize"],
    merchantId: `nsim-${clientId}`,
    secretHashes: [clientSecret, secondSecret].map((secret) => keyedHash(pepper, secret)),
  };
}

const bankRows = ["north-bank", "maple-bank"].map((bsimId) => ({
  bsimId,
  name: bsimId === "north-bank" ? "North Bank" : "Maple Credit Union",
  logoUrl: undefined,
  enrollable: true,
}));
const banks: BankDirectory = {
  bank: (bsimId) => bankRows.find((bank) => bank.bsimId === bsimId),
  enrollableBanks: () => bankRows,
};

function createCredentialStandIn(origin: string, clock: ManualClock): CredentialStandIn {
  const begun = new Map<string, { userId: string; bsimId: string; redirectUri: string }>();
  const cardsOf = (bsimId: string): ListedCard[] =>
    ["VISA", "MC"].map((cardType, index) => ({
      cardRef: `${bsimId}-${cardType}`,
      cardType,
      cardHolder: "Ada Example",
      lastFour: bsimId === "north-bank" ? `111${index}` : `222${index}`,
      expiryMonth: 4,
      expiryYear: 2030,
    }));
  const standIn: CredentialStandIn = {
    requested: [],
    revoked: [],
    connections: new Map(),
    standings: [],
    erased: [],
    erasureFails: false,
    failWith: undefined,
    hold: undefined,
    tokenLifeMs: 900_000,
    beginConnect: async (request) => {
      const state = randomToken();
      begun.set(state, request);
      // The bank's consent page, already agreed to: straight back with a code.
      const back = new URL(request.redirectUri);
      back.search = new URLSearchParams({ state, code: "code-of-the-bank", iss: origin }).toString();
      return { authUrl: back.href, state };
    },
    completeConnect: async ({ state, error }) => {
      const attempt = begun.get(state);
      begun.delete(state);
      if (attempt === undefined) throw new ConnectionError("refused", "invalid_state");
      if (error !== "") throw new ConnectionError("refused", error);
      const connection: Connection = {
        connectionId: `connection-${attempt.bsimId}-${attempt.userId}`,
        bsimId: attempt.bsimId,
        ownerReference: "owner-1",
        state: "ACTIVE",
        hasAccessToken: true,
        hasCredential: true,
        credentialExpiresAt: new Date(Date.now() + 90 * 86_400_000),
        updatedAt: new Date(),
      };
      standIn.connections.set(connection.connectionId, connection);
      return {
        connection,
        profileEmail: "ada@example.com",
        profileName: "Ada Example",
        cards: cardsOf(attempt.bsimId),
      };
    },
    listConnections: async (userId) =>
      [...standIn.connections.values()].filter((each) => each.connectionId.endsWith(userId)),
    listStandings: async () => standIn.standings,
    eraseUser: async (userId) => {
      if (standIn.erasureFails) throw new ConnectionError("unknown_outcome", "");
      standIn.erased.push(userId);
      return true;
    },
    listCards: async ({ connectionId }) => cardsOf(standIn.connections.get(connectionId)?.bsimId ?? ""),
    listAccounts: async () => [],
    listConnectedAccounts: async () => ({ accounts: [], errors: [] }),
    requestCardToken: async ({ merchantId, amountMinor, currency, cardRef }) => {
      await standIn.hold;
      if (standIn.failWith !== undefined) throw standIn.failWith;
      const cardToken = `card-token-${standIn.requested.length + 1}`;
      standIn.requested.push({ merchantId, amountMinor, currency, cardRef, cardToken });
      return {
        cardToken,
        tokenId: `id-of-${cardToken}`,
        expiresAt: new Date(clock.now().getTime() + standIn.tokenLifeMs),
      };
    },
    disconnect: async () => true,
    revokeCardToken: async ({ tokenId }) => {
      if (standIn.failWith !== undefined) throw standIn.failWith;
      standIn.revoked.push(tokenId);
      return true;
    },
  };
  return standIn;
}

async function codeFor(deps: OidcDeps, email: string): Promise<string> {
  const rows = await deps.db.query
    .selectFrom("outgoing_mail")
    .select(["mail_id", "sealed"])
    .orderBy("created_at", "desc")
    .orderBy("mail_id", "desc")
    .execute();
  for (const row of rows) {
    const mail = openMail(deps.box, row.mail_id, row.sealed);
    const code = mail.to === email ? /^\d{6}$/m.exec(mail.text)?.[0] : undefined;
    if (code !== undefined) return code;
  }
  throw new Error(`no code was mailed to ${email}`);
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (typeof address !== "object" || address === null) throw new Error("no port");
  return address.port;
}
