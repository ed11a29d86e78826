import type { Currency } from "../../platform/money/currency.ts";
import type { ListedCard } from "../domain/card-list.ts";
import type { ConnectionFacts } from "../domain/enrolment-rules.ts";
import type { ConnectionStanding } from "../domain/owner-notice.ts";

/** Time left, abort signal and request id of the call that everything outgoing is made for. */
export interface OutgoingCall {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
  readonly requestId?: string;
}

/** A connection as its holder tells of it: no secrets. */
export interface Connection extends ConnectionFacts {
  readonly connectionId: string;
  readonly bsimId: string;
  readonly ownerReference: string;
  readonly updatedAt: Date;
}

/** A finished consent. */
export interface CompletedConnect {
  readonly connection: Connection;
  /** Undefined when the bank withheld it. */
  readonly profileEmail: string | undefined;
  readonly profileName: string | undefined;
  readonly cards: readonly ListedCard[];
}

/** An account at a bank; `balanceMinor` in minor units of `currency`. */
export interface BankAccount {
  readonly accountId: string;
  readonly accountType: string;
  readonly maskedNumber: string;
  readonly currency: Currency;
  readonly balanceMinor: bigint;
}

/** An account at a data provider; `balanceMinor` undefined when the provider did not tell it. */
export interface ConnectedAccount {
  readonly connector: string;
  readonly connectionId: string;
  readonly institutionId: string;
  readonly institutionName: string;
  readonly accountId: string;
  readonly accountType: string;
  readonly displayName: string;
  readonly maskedNumber: string;
  readonly currency: Currency;
  readonly balanceMinor: bigint | undefined;
}

/** A connection to a data provider that could not be read, in the word of its holder. */
export interface ConnectedAccountsError {
  readonly connector: string;
  readonly connectionId: string;
  readonly institutionId: string;
  readonly institutionName: string;
  readonly word: string;
}

/** A card token bound to one payment. `tokenId` is undefined where the bank gives none. */
export interface CardToken {
  readonly cardToken: string;
  readonly tokenId: string | undefined;
  readonly expiresAt: Date;
}

/**
 * Why a call to a connection's holder failed, as far as the wallet acts on it. `word` is the stable word of the answer,
 * empty when there was none.
 *
 * - `refused`: definite, nothing was changed; `word` says why
 * - `needs_user`: the user has to consent again
 * - `unknown_outcome`: outage, deadline, broken connection; the call may have had its effect
 */
export class ConnectionError extends Error {
  override readonly name = "ConnectionError";
  readonly kind: "refused" | "needs_user" | "unknown_outcome";
  readonly word: string;

  constructor(kind: ConnectionError["kind"], word: string, options?: { readonly cause?: unknown }) {
    super(`${kind}: ${word}`, options);
    this.kind = kind;
    this.word = word;
  }
}

/** The wallet's view of the service that holds every bank secret. Every method rejects with a ConnectionError. */
export interface CredentialConnections {
  beginConnect(
    request: { readonly userId: string; readonly bsimId: string; readonly redirectUri: string },
    call: OutgoingCall,
  ): Promise<{ readonly authUrl: string; readonly state: string }>;
  completeConnect(
    request: {
      readonly userId: string;
      readonly state: string;
      readonly code: string;
      readonly iss: string;
      readonly error: string;
      readonly errorDescription: string;
    },
    call: OutgoingCall,
  ): Promise<CompletedConnect>;
  listConnections(userId: string, call: OutgoingCall): Promise<Connection[]>;
  /** How all of a person's connections stand, those of data providers too. */
  listStandings(userId: string, call: OutgoingCall): Promise<ConnectionStanding[]>;
  /**
   * Removes everything of a person, for good, and has his consents revoked. Resolves with whether it is done; where not it goes on by
   * itself, and the same call tells. A repeat is harmless.
   */
  eraseUser(userId: string, call: OutgoingCall): Promise<boolean>;
  listCards(request: ConnectionOfUser, call: OutgoingCall): Promise<ListedCard[]>;
  listAccounts(request: ConnectionOfUser, call: OutgoingCall): Promise<BankAccount[]>;
  /** Everything a person connected through data providers; connections that fail are told beside the others' accounts. */
  listConnectedAccounts(
    userId: string,
    call: OutgoingCall,
  ): Promise<{ readonly accounts: ConnectedAccount[]; readonly errors: ConnectedAccountsError[] }>;
  requestCardToken(
    request: ConnectionOfUser & {
      readonly cardRef: string;
      readonly merchantId: string;
      readonly merchantName: string;
      readonly currency: string;
      readonly amountMinor: bigint;
    },
    call: OutgoingCall,
  ): Promise<CardToken>;
  /** Resolves with whether the bank has confirmed; a repeat is harmless. */
  disconnect(request: ConnectionOfUser, call: OutgoingCall): Promise<boolean>;
  revokeCardToken(request: ConnectionOfUser & { readonly tokenId: string }, call: OutgoingCall): Promise<boolean>;
}

/** One connection of one person. */
export interface ConnectionOfUser {
  readonly userId: string;
  readonly connectionId: string;
}
