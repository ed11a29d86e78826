/*
 * How to add a provider
 *
 * 1. Make a folder beside this file, named after it: `connectors/NAME/`.
 * 2. Write `NAME-connector.ts` there: an object of the type `Connector`. It is stateless. Storage, sealing, leases, states, paging of
 *    what is stored and audit are the service's, the same for every provider: a connector only translates. What it calls, it calls
 *    through `parts.http` (time limit, size limit, rate and concurrency bounds), and it fails with `ProviderError` alone.
 * 3. Write `NAME-module.ts` there: `connectorModule({ name, settings, limits, create })`. `settings` is a zod shape of the
 *    environment variables; `create` answers undefined while they say that the provider is not set up here. The base URL is one of
 *    them, so that the stand-in and the real provider differ by configuration alone.
 * 4. Add the module to the list in `registry.ts`. That is the only line outside the folder.
 * 5. Test it against its stand-in in `services/sandbox/NAME`.
 *
 * `life` says how its credential lives, and so what the service does with it: `rotating` has a refresh token and is refreshed;
 * `static` keeps its access token until somebody ends it, or an operator has it replaced (`rotateAccess`); for `partner` and `app` the secret of a connection is the provider's id of the
 * user, and the token that opens it is the installation's (`provider-tokens.ts`).
 */
import type { SecretsToRevoke } from "../domain/secrets-to-revoke.ts";
import type { CardConnector } from "./card-connector.ts";
import type { ClientConnector } from "./client-connector.ts";
import type { NotificationConnector } from "./notification-connector.ts";
import type { Institution, ProviderAccount, TransactionPage } from "./provider-data.ts";
import type { WebhookReader } from "./webhook-reader.ts";

/** How the credential of a connection lives. */
export type CredentialLife = "rotating" | "static" | "partner" | "app";

/** Limits of one act against a provider. */
export interface ProviderCall {
  readonly now: Date;
  /** The longest one request may take. */
  readonly timeoutMs: number;
  /** When the right to ask ends, by `performance.now()`: from then on no request leaves, and none is waited for. */
  readonly endsAtMs?: number | undefined;
  /** Ends the act early; absent for acts that must not stop half-way, such as an exchange. */
  readonly signal?: AbortSignal | undefined;
}

/** What a stored connection is used with. Never logged: it holds a secret. */
export interface ConnectionAccess {
  readonly institutionId: string;
  /** For `partner` and `app` the provider's id of the user, sealed like a token. */
  readonly accessToken: string;
  /** How the provider's webhooks name the connection. */
  readonly providerReference: string;
  readonly ownerReference: string;
}

/** A consent to begin. */
export interface ConsentRequest {
  /** Empty where the provider's own page asks for the institution. */
  readonly institutionId: string;
  /** Where the user comes back to; it has no query of its own. */
  readonly redirectUri: string;
  /** At least 128 bits; comes back with the user. */
  readonly state: string;
  /** Our user as providers may know him: a keyed hash in hex, the same at every consent, that says nothing of who he is. */
  readonly userReference: string;
  /** The connection whose consent is to be renewed in place; absent for a new one. */
  readonly reconnect?: ConnectionAccess | undefined;
}

/** A consent that begins: where to send the user, and what only we may know until he is back. */
export interface ConsentStart {
  /** The page of the bank or provider; absent where a widget is opened with `linkToken` in its place. */
  readonly authUrl?: string | undefined;
  readonly linkToken?: string | undefined;
  /** When the page or link token stops working; absent when the provider says nothing. */
  readonly expiresAt?: Date | undefined;
  /** Opaque to everyone but the connector; sealed until the consent ends. */
  readonly proofs: string;
}

/** What the user brings back, with what was kept. */
export interface ConsentAnswer {
  readonly institutionId: string;
  readonly redirectUri: string;
  readonly state: string;
  /** What proves the consent: an OAuth code, a public token, a provider's job id. Sealed while it is being exchanged. */
  readonly code: string;
  /** RFC 9207; empty when the callback had none, undefined when it was checked before and only the exchange is repeated. */
  readonly iss: string | undefined;
  readonly proofs: string;
  readonly userReference: string;
  readonly reconnect?: ConnectionAccess | undefined;
}

/** The facts of a callback, whatever the provider calls its parameters. Absent ones are empty. */
export interface CallbackFacts {
  readonly state: string;
  readonly code: string;
  readonly iss: string;
  /** The provider's refusal in place of a code. */
  readonly error: string;
}

/** Tokens a provider gave, at a consent or at a refresh. */
export interface TokenSet {
  readonly accessToken: string;
  /** Undefined: it ends when it is refused. */
  readonly accessTokenExpiresAt: Date | undefined;
  /** Absent: the old one stays good. */
  readonly refreshToken?: string | undefined;
  /** For payments; absent where the provider or the consent has none. */
  readonly credential?: string | undefined;
  readonly credentialExpiresAt?: Date | undefined;
  /** When the consent itself ends, where the provider says so; absent at a refresh: as before. */
  readonly consentExpiresAt?: Date | undefined;
}

/** A consent as the provider granted it. */
export interface Grant extends TokenSet {
  readonly issuer: string;
  /** What the user chose on the provider's page, or what the consent began with. */
  readonly institutionId: string;
  readonly institutionName: string;
  /** The provider's id of the user who owns the accounts, or of the consent where users have none. */
  readonly ownerReference: string;
  /** How webhooks name the connection: an item, credentials, connection, customer or profile id. */
  readonly providerReference: string;
  /**
   * What the accounts are called at every consent to them, in any order; by it the same bank linked twice is told from two. Absent where a
   * provider names accounts anew each time, or did not tell them.
   */
  readonly lastingAccountIds?: readonly string[] | undefined;
  /** It came for a renewal of what the provider no longer knows: it takes that connection's place, whatever it is called. */
  readonly takesPlace?: boolean | undefined;
  /** Whether the access token is the one that was shown for the renewal; should it have been replaced since, the newer one stays. */
  readonly keepsToken?: boolean | undefined;
  /** Empty when withheld. */
  readonly profileEmail: string;
  readonly profileName: string;
}

/** What a refresh works with. */
export interface RefreshRequest {
  readonly institutionId: string;
  readonly refreshToken: string;
  readonly providerReference: string;
}

/** A `static` access token to be replaced. */
export interface RotationRequest {
  readonly institutionId: string;
  readonly accessToken: string;
  readonly providerReference: string;
}

/** A consent that its user wants to be extended. */
export interface ConsentExtensionRequest extends RefreshRequest {
  /** At least 128 bits; comes back with the user when he has to go to his bank for it. */
  readonly state: string;
}

/** What came of it. */
export interface ConsentExtension {
  /** The page on which the user has to confirm; absent when it was extended already. */
  readonly authUrl?: string | undefined;
  /** As `ConsentStart.proofs`, beside `authUrl`. */
  readonly proofs?: string | undefined;
  /** New tokens; they replace the old ones at once. */
  readonly tokens?: TokenSet | undefined;
}

/** The users of ours whom a provider keeps beside their connections, or before there is one. */
export interface ProviderUsers {
  /**
   * Whom revoked secrets, or the proofs of a consent that came to nothing, are about, named as connections name him in
   * `providerReference`; undefined for nobody who is to be ended. He is ended once no connection, client or consent needs him.
   */
  userOf(secrets: SecretsToRevoke): string | undefined;
  /** Returns once the provider has forgotten him with everything of his, or no longer knows him. */
  end(user: string, call: ProviderCall): Promise<void>;
}

/** One kind of provider. Each call ends within `ProviderCall`'s timeout. */
export interface Connector {
  /** As in REST paths and rows: `bsim`, `plaid`. */
  readonly name: string;
  /** As people read it. */
  readonly displayName: string;
  readonly life: CredentialLife;
  /** The callback registered at the provider; absent: `/api/connectors/NAME/callback` of this installation. */
  readonly redirectUri?: string | undefined;
  /**
   * May this institution be called now, and is it set up? Throws `BANK_NOT_FOUND` (only to begin), `PROVIDER_NOT_CONFIGURED`,
   * `PROVIDER_UNAVAILABLE`; asks nobody over the network.
   */
  check(institutionId: string, use: "begin" | "use"): Promise<void>;
  /** What a user can connect here, at most 500, by name. */
  listInstitutions(call: ProviderCall): Promise<readonly Institution[]>;
  begin(start: ConsentRequest, call: ProviderCall): Promise<ConsentStart>;
  /** Reads a callback that does not speak OAuth; absent where it does. */
  readCallback?(query: URLSearchParams): CallbackFacts;
  complete(answer: ConsentAnswer, call: ProviderCall): Promise<Grant>;
  /** `rotating` only. Fails with `grant_refused` when the consent has ended, and with anything else when it is worth another try. */
  refresh?(grant: RefreshRequest, call: ProviderCall): Promise<TokenSet>;
  /**
   * `static` only: has the provider put another access token in place of this one, which is dead from then on, whether its answer arrives or not.
   * Fails with `grant_refused` when this one is dead already.
   */
  rotateAccess?(grant: RotationRequest, call: ProviderCall): Promise<TokenSet>;
  /**
   * Returns once the provider has confirmed that nothing of this is good any more, or no longer knows it. Members may be absent: then there
   * is nothing of that kind to end.
   */
  revoke(institutionId: string, secrets: SecretsToRevoke, call: ProviderCall): Promise<void>;
  listAccounts(access: ConnectionAccess, call: ProviderCall): Promise<readonly ProviderAccount[]>;
  /**
   * One page of changes after `cursor` (the connector's own, at most 4 KiB; "" begins at `from`). A repeat of a page is harmless.
   * Absent where the provider has no transactions.
   */
  syncTransactions?(
    access: ConnectionAccess,
    page: { readonly cursor: string; readonly from: Date },
    call: ProviderCall,
  ): Promise<TransactionPage>;
  /** Absent where a provider keeps nobody before there is a connection, or after it has ended. */
  readonly users?: ProviderUsers;
  /** Extends a consent that is about to end, where a provider allows it. Needs the user's word that he still wants it. */
  extendConsent?(grant: ConsentExtensionRequest, call: ProviderCall): Promise<ConsentExtension>;
  /** For how long that is, in days from then; told to users beforehand. */
  readonly extensionDays?: number;
  /** Absent where the provider sends none. */
  readonly webhook?: WebhookReader;
  /** Absent where firms cannot connect clients of theirs. */
  readonly clients?: ClientConnector;
  /** Absent where webhooks come without a subscription, or the connector subscribes by itself. */
  readonly notifications?: NotificationConnector;
  /** Absent where the provider knows no cards. */
  readonly cards?: CardConnector;
}
