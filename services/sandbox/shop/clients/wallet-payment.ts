import { decodeJwt } from "jose";
import { z } from "zod";
import { DomainError } from "../../../platform/errors/domain-error.ts";
import type { ExtraParameters, PaymentOffer } from "./oidc-login.ts";

/** The API the wallet's access token is for (RFC 8707). */
export const paymentResource = "urn:wsim:payment-api";

/** Both halves of a card: one says which bank, the other authorises this payment once. */
export interface CardTokens {
  readonly walletCardToken?: string;
  readonly cardToken: string;
}

/**
 * The request for a wallet payment: as `authorization_details` (RFC 9396) where the wallet announces the type, else in
 * the `claims` parameter, as older wallets take it.
 */
export function walletParameters(offer: PaymentOffer): ExtraParameters {
  return (server) => {
    const types: unknown = server["authorization_details_types_supported"];
    const base = { scope: "openid payment:authorize", resource: paymentResource };
    if (Array.isArray(types) && types.includes("payment")) {
      return { ...base, authorization_details: JSON.stringify([{ type: "payment", ...offer }]) };
    }
    return { ...base, claims: JSON.stringify({ payment: offer }) };
  };
}

const walletClaims = z.object({ wallet_card_token: z.string().min(1), card_token: z.string().min(1) });

/**
 * Reads both tokens from the wallet's access token. The signature is not checked here: the token came straight from the
 * token endpoint, and the card token inside proves itself at its bank. Throws `PROVIDER_UNAVAILABLE` when one is missing.
 */
export function readWalletTokens(accessToken: string): CardTokens {
  const claims = walletClaims.safeParse(payloadOf(accessToken));
  if (!claims.success) throw new DomainError("PROVIDER_UNAVAILABLE");
  return { walletCardToken: claims.data.wallet_card_token, cardToken: claims.data.card_token };
}

/** The parameters of a payment straight from a bank account. */
export function bankParameters(): ExtraParameters {
  return () => ({ scope: "openid payment:authorize", prompt: "consent" });
}

const bankClaims = z.object({ card_token: z.string().min(1) });

/** Reads the bank's card token: claim `card_token`, else the access token itself. */
export function readBankToken(accessToken: string): CardTokens {
  const claims = bankClaims.safeParse(payloadOf(accessToken));
  return { cardToken: claims.success ? claims.data.card_token : accessToken };
}

function payloadOf(token: string): unknown {
  try {
    return decodeJwt(token);
  } catch {
    // An opaque token has no claims.
    return {};
  }
}
