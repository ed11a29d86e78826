import type { ProviderCall } from "./connector.ts";

/** A card as its bank describes it; never a number. */
export interface ProviderCard {
  readonly cardRef: string;
  readonly cardType: string;
  readonly cardHolder: string;
  readonly lastFour: string;
  readonly expiryMonth: number;
  readonly expiryYear: number;
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

/** The wallet credential of a connection, and whose it is. */
export interface CardAccess {
  readonly institutionId: string;
  readonly credential: string;
}

/** What a provider of cards offers, with the wallet credential. */
export interface CardConnector {
  list(access: CardAccess, call: ProviderCall): Promise<readonly ProviderCard[]>;
  requestToken(access: CardAccess, request: CardTokenRequest, call: ProviderCall): Promise<CardToken>;
  /** False where the bank cannot revoke a single token. */
  revokeToken(access: CardAccess, tokenId: string, call: ProviderCall): Promise<boolean>;
}
