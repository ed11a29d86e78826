import { setTimeout as sleep } from "node:timers/promises";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import {
  Credential,
  type OwnerNoticeSchema,
  type ProviderAccountSchema,
  type ProviderAccountsErrorSchema,
} from "../../../gen/es/paymesh/credential/v1/credential_pb.js";
import { DomainError } from "../../platform/errors/domain-error.ts";
import { type ErrorEntry, type ErrorTable, genericErrors } from "../../platform/errors/error-table.ts";
import { GrpcCode } from "../../platform/errors/grpc-code.ts";
import { uuidv7 } from "../../platform/ids/uuidv7.ts";
import { startRpcServer } from "../../platform/rpc/grpc-server.ts";
import { type Handlers, implement } from "../../platform/rpc/service-implementation.ts";
import { randomToken } from "../../platform/secrets/random-token.ts";
import { createLogger } from "../../platform/telemetry/logger.ts";
import type { MeshTls } from "../../platform/tls/load-mesh-tls.ts";
import type { ListedCard } from "../domain/card-list.ts";

/** A person at a bank, as the bank would tell of them. */
export interface BankCustomer {
  ownerReference: string;
  email: string;
  name: string;
  cards: ListedCard[];
  /** Minor units of CAD, one account each. */
  balances: bigint[];
}

interface StoredConnection {
  connectionId: string;
  userId: string;
  bsimId: string;
  state: string;
  ownerReference: string;
  hasAccessToken: boolean;
  hasCredential: boolean;
  credentialExpiresAt: Date;
  updatedAt: Date;
  consentExpiresAt?: Date;
}

/** How one bank behaves in a test. */
export interface BankBehaviour {
  customer: BankCustomer;
  /** Before every answer. */
  delayMs: number;
  /** In place of an answer: a word of the contract. */
  failure: { kind: "PRECONDITION" | "DENIED" | "OUTAGE"; word: string } | undefined;
  grantsCredential: boolean;
  confirmsRevocation: boolean;
  listsCards: boolean;
}

/**
 * The contract of the Credential service over real gRPC with mutual TLS, with banks that behave as a test says. State is in
 * memory; nothing of the wallet is in it.
 */
export class CredentialStandIn {
  readonly banks = new Map<string, BankBehaviour>();
  readonly connections: StoredConnection[] = [];
  readonly disconnects: string[] = [];
  /** What everybody has connected through data providers, and what of it cannot be read. */
  providerAccounts: MessageInitShape<typeof ProviderAccountSchema>[] = [];
  providerErrors: MessageInitShape<typeof ProviderAccountsErrorSchema>[] = [];
  providersFail = false;
  /** What the wallet's people are to be told, until it is acknowledged; acknowledgements are lost while `losesAcknowledgements`. */
  notices: MessageInitShape<typeof OwnerNoticeSchema>[] = [];
  losesAcknowledgements = false;
  /** Whose everything was erased, in the order of the calls, and how that goes: not at all while `down`. */
  readonly erasures: string[] = [];
  erasing: "down" | "running" | "completed" = "completed";
  readonly cardTokenRequests: { cardRef: string; merchantId: string; minorUnits: bigint; currency: string }[] = [];
  readonly #states = new Map<string, { userId: string; bsimId: string }>();
  #asked = 0;
  /** The most banks that were being asked at one time; a test sets it back to 0. */
  mostAskedAtOnce = 0;
  /** Called after the exchange is stored and before it is answered. */
  afterExchange: () => Promise<void> = async () => {};

  /** Starts serving as `credential`; resolves with the address. */
  async start(tls: MeshTls): Promise<{ address: string; stop(): Promise<void> }> {
    const server = await startRpcServer({
      service: "credential",
      implementations: [implement(Credential, this.#handlers())],
      authenticators: {},
      errorTable: standInErrors,
      log: createLogger({ service: "credential", level: "silent" }),
      tls,
      host: "127.0.0.1",
      grpcPort: 0,
    });
    return { address: `127.0.0.1:${server.port}`, stop: server.stop };
  }

  /** A bank with one customer. */
  addBank(bsimId: string, customer: BankCustomer): BankBehaviour {
    const bank: BankBehaviour = {
      customer,
      delayMs: 0,
      failure: undefined,
      grantsCredential: true,
      confirmsRevocation: true,
      listsCards: true,
    };
    this.banks.set(bsimId, bank);
    return bank;
  }

  #bank(bsimId: string): BankBehaviour {
    const bank = this.banks.get(bsimId);
    if (bank === undefined) throw new DomainError("NO_SUCH", { word: "bank_not_found" });
    return bank;
  }

  #connection(userId: string | undefined, connectionId: string): StoredConnection {
    const found = this.connections.find((one) => one.connectionId === connectionId && one.userId === userId);
    if (found === undefined) throw new DomainError("NO_SUCH", { word: "connection_not_found" });
    return found;
  }

  async #reach(bsimId: string): Promise<BankBehaviour> {
    const bank = this.#bank(bsimId);
    this.#asked += 1;
    this.mostAskedAtOnce = Math.max(this.mostAskedAtOnce, this.#asked);
    if (bank.delayMs > 0) await sleep(bank.delayMs, undefined, { ref: false });
    this.#asked -= 1;
    if (bank.failure !== undefined) throw new DomainError(bank.failure.kind, { word: bank.failure.word });
    return bank;
  }

  #connect(userId: string, bsimId: string, bank: BankBehaviour): StoredConnection {
    const { ownerReference } = bank.customer;
    const older = this.connections.find(
      (one) => one.userId === userId && one.bsimId === bsimId && one.ownerReference === ownerReference,
    );
    const facts = {
      userId,
      bsimId,
      ownerReference,
      state: "ACTIVE",
      hasAccessToken: true,
      hasCredential: bank.grantsCredential,
      credentialExpiresAt: new Date(Date.now() + 90 * 86_400_000),
      updatedAt: new Date(),
    };
    if (older !== undefined) return Object.assign(older, facts);
    const made = { connectionId: uuidv7(), ...facts };
    this.connections.push(made);
    return made;
  }

  #handlers(): Handlers<typeof Credential> {
    return {
      ...refusingAll(),
      beginConnect: async ({ owner, institutionId, redirectUri }) => {
        this.#bank(institutionId);
        const state = randomToken(16);
        this.#states.set(state, { userId: owner?.userId ?? "", bsimId: institutionId });
        const authUrl = `http://bank.example/auth?redirect_uri=${encodeURIComponent(redirectUri)}&state=${state}`;
        return { authUrl, state, expiresAt: timestampFromDate(new Date(Date.now() + 600_000)) };
      },
      completeConnect: async ({ owner, state, error }) => {
        const attempt = this.#states.get(state);
        this.#states.delete(state);
        if (attempt === undefined || attempt.userId !== owner?.userId) {
          throw new DomainError("PRECONDITION", { word: "invalid_state" });
        }
        if (error !== "") throw new DomainError("DENIED", { word: error });
        const bank = await this.#reach(attempt.bsimId);
        const connection = this.#connect(attempt.userId, attempt.bsimId, bank);
        await this.afterExchange();
        return {
          connection: connectionFields(connection),
          profileEmail: bank.customer.email,
          profileName: bank.customer.name,
          cards: bank.listsCards && bank.grantsCredential ? bank.customer.cards : [],
        };
      },
      listConnections: async ({ owner }) => ({
        connections: this.connections.filter((one) => one.userId === owner?.userId).map(connectionFields),
      }),
      listCards: async ({ owner, connectionId }) => {
        const bank = await this.#reach(this.#connection(owner?.userId, connectionId).bsimId);
        if (!bank.listsCards) throw new DomainError("OUTAGE", { word: "provider_unavailable" });
        return { cards: bank.customer.cards };
      },
      listAccounts: async ({ owner, connectionId }) => {
        const connection = this.#connection(owner?.userId, connectionId);
        const bank = await this.#reach(connection.bsimId);
        return {
          accounts: bank.customer.balances.map((minorUnits, index) => ({
            accountId: `${connection.bsimId}-${index}`,
            accountType: "CHECKING",
            maskedNumber: "****1234",
            balance: { currency: "CAD", minorUnits },
          })),
        };
      },
      requestCardToken: async ({ owner, connectionId, cardRef, merchantId, amount }) => {
        await this.#reach(this.#connection(owner?.userId, connectionId).bsimId);
        this.cardTokenRequests.push({
          cardRef,
          merchantId,
          minorUnits: amount?.minorUnits ?? 0n,
          currency: amount?.currency ?? "",
        });
        const expiresAt = timestampFromDate(new Date(Date.now() + 900_000));
        return { cardToken: randomToken(), tokenId: "t1", expiresAt, lastFour: "4242", cardType: "VISA" };
      },
      disconnect: async ({ owner, connectionId }) => {
        const connection = this.#connection(owner?.userId, connectionId);
        connection.state = "REVOKED";
        this.disconnects.push(connectionId);
        return { revokedAtProvider: this.#bank(connection.bsimId).confirmsRevocation };
      },
      takeOwnerNotices: async () => ({ notices: this.notices }),
      acknowledgeOwnerNotices: async ({ noticeIds }) => {
        if (this.losesAcknowledgements) throw new DomainError("OUTAGE", { word: "unavailable" });
        this.notices = this.notices.filter(({ noticeId = "" }) => !noticeIds.includes(noticeId));
        return {};
      },
      eraseUser: async ({ userId }) => {
        if (this.erasing === "down") throw new DomainError("OUTAGE", { word: "unavailable" });
        this.erasures.push(userId);
        return { erasureId: uuidv7(), status: this.erasing };
      },
      listProviderAccounts: async () => {
        if (this.providersFail) throw new DomainError("OUTAGE", { word: "unavailable" });
        return { accounts: this.providerAccounts, errors: this.providerErrors };
      },
    };
  }
}

/** What the wallet has no use for answers as if it were not there. */
function refusingAll(): Handlers<typeof Credential> {
  const refuse = async (): Promise<never> => {
    throw new DomainError("NOT_FOUND");
  };
  const entries = Credential.methods.map((each) => [each.localName, refuse] as const);
  // One for each method of the contract, which the compiler cannot count.
  return Object.fromEntries(entries) as unknown as Handlers<typeof Credential>;
}

/** The refusals of the contract by code; a test names the word. */
const standInErrors: ErrorTable = {
  ...genericErrors,
  NO_SUCH: refusal(GrpcCode.NOT_FOUND, 404),
  PRECONDITION: refusal(GrpcCode.FAILED_PRECONDITION, 400),
  DENIED: refusal(GrpcCode.PERMISSION_DENIED, 403),
  OUTAGE: refusal(GrpcCode.UNAVAILABLE, 503),
};

function refusal(code: GrpcCode, http: number): ErrorEntry {
  return { code, http, error: (facts) => String(facts["word"]), message: "as the test says" };
}

function connectionFields(connection: StoredConnection) {
  return {
    connectionId: connection.connectionId,
    connector: "bsim",
    institutionId: connection.bsimId,
    state: connection.state,
    ownerReference: connection.ownerReference,
    hasAccessToken: connection.hasAccessToken,
    hasCredential: connection.hasCredential,
    credentialExpiresAt: timestampFromDate(connection.credentialExpiresAt),
    updatedAt: timestampFromDate(connection.updatedAt),
    ...(connection.consentExpiresAt && { consentExpiresAt: timestampFromDate(connection.consentExpiresAt) }),
  };
}
