import type { Bank } from "../domain/bank.ts";
import type { SecretsToRevoke } from "../domain/secrets-to-revoke.ts";

/** The bank or provider to call, and who we are there. */
export interface ProviderTarget {
  readonly bank: Bank;
  readonly client: { readonly clientId: string; readonly clientSecret: string };
}

/** A consent that begins: where to send the user, and what only we may know until he is back. */
export interface ConsentStart {
  readonly authUrl: string;
  /** Opaque to everyone but the connector; sealed until the consent ends. */
  readonly proofs: string;
}

/** What the user brings back, with what was kept. */
export interface ConsentAnswer {
  readonly redirectUri: string;
  readonly state: string;
  readonly code: string;
  /** RFC 9207; empty when the callback had none. */
  readonly iss: string;
  readonly proofs: string;
}

/** Tokens a provider gave, at a consent or at a refresh. */
export interface TokenSet {
  readonly accessToken: string;
  readonly accessTokenExpiresAt: Date | undefined;
  /** Absent: the old one stays good. */
  readonly refreshToken: string | undefined;
  /** For payments; absent where the provider or the consent has none. */
  readonly credential: string | undefined;
  readonly credentialExpiresAt: Date | undefined;
}

/** A consent as the provider granted it. */
export interface Grant extends TokenSet {
  readonly issuer: string;
  /** The provider's id of the user who owns the accounts. */
  readonly ownerReference: string;
  readonly profileEmail: string;
  readonly profileName: string;
}

/** A card as its bank describes it; never a number. */
export interface ProviderCard {
  readonly cardRef: string;
  readonly cardType: string;
  readonly cardHolder: string;
  readonly lastFour: string;
  readonly expiryMonth: number;
  readonly expiryYear: number;
}

/** An account with its balance, in minor units of its currency. */
export interface ProviderAccount {
  readonly accountId: string;
  readonly accountType: string;
  readonly maskedNumber: string;
  readonly currency: string;
  readonly balanceMinor: bigint;
  readonly availableMinor: bigint | undefined;
  readonly asOf: Date | undefined;
}

/** What a card token is asked for. */
export interface CardTokenRequest {
  readonly cardRef: string;
  readonly merchantId: string;
  readonly merchantName: string;
  readonly currency: string;
  readonly amountMinor: bigint;
}

/** A single-use card token. */
export interface CardToken {
  readonly cardToken: string;
  /** Empty when the bank gives none. */
  readonly tokenId: string;
  readonly expiresAt: Date;
  readonly lastFour: string;
  readonly cardType: string;
}

/**
 * One kind of provider. Stateless: storage, sealing, leases and states are the service's, the same for every kind. Each call
 * ends within `ProviderCall`'s timeout and fails with `ProviderError` alone.
 */
export interface Connector {
  readonly name: string;
  begin(
    target: ProviderTarget,
    start: { redirectUri: string; state: string },
    call: ProviderCall,
  ): Promise<ConsentStart>;
  complete(target: ProviderTarget, answer: ConsentAnswer, call: ProviderCall): Promise<Grant>;
  /** Fails with `grant_refused` when the consent has ended, and with anything else when it is worth another try. */
  refresh(target: ProviderTarget, refreshToken: string, call: ProviderCall): Promise<TokenSet>;
  /** Returns once the provider has confirmed that nothing of this is good any more. */
  revoke(target: ProviderTarget, secrets: SecretsToRevoke, call: ProviderCall): Promise<void>;
  listAccounts(target: ProviderTarget, accessToken: string, call: ProviderCall): Promise<readonly ProviderAccount[]>;
  /** Absent where the provider knows no cards. */
  readonly cards?: CardConnector;
}

/** What a provider of cards offers, with the wallet credential. */
export interface CardConnector {
  list(target: ProviderTarget, credential: string, call: ProviderCall): Promise<readonly ProviderCard[]>;
  requestToken(
    target: ProviderTarget,
    credential: string,
    request: CardTokenRequest,
    call: ProviderCall,
  ): Promise<CardToken>;
  /** False where the bank cannot revoke a single token. */
  revokeToken(target: ProviderTarget, credential: string, tokenId: string, call: ProviderCall): Promise<boolean>;
}

/** Limits of one act against a provider. */
export interface ProviderCall {
  readonly now: Date;
  /** The longest one request may take. */
  readonly timeoutMs: number;
  /** Ends the act early; absent for acts that must not stop half-way, such as an exchange. */
  readonly signal?: AbortSignal | undefined;
}
