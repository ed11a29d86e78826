import { type AccessToken, type ClientCredentials, errors } from "oidc-provider";
import { inTransaction } from "../../platform/db/transaction.ts";
import { toMajorText } from "../../platform/money/amount.ts";
import { parseCurrency } from "../../platform/money/currency.ts";
import { noteAccessToken } from "../storage/oidc-access-tokens-store.ts";
import { type RedeemedPayment, redeemPayment } from "../storage/oidc-payments-store.ts";
import { type OidcDeps, paymentResource } from "./oidc-deps.ts";

const accessTokenSeconds = 300;

/** Names a payment's row in its ciphertext. */
export function cardTokenData(paymentId: string): string {
  return `oidc_payments:${paymentId}`;
}

/**
 * The claims of a payment access token: both halves of the card, and the amount the customer saw. The payment is given
 * away and the token noted in one transaction, so it is minted once or not at all. Throws `invalid_grant` when there is
 * nothing to give.
 */
export async function paymentTokenClaims(
  deps: OidcDeps,
  token: AccessToken | ClientCredentials,
): Promise<Record<string, string> | undefined> {
  if (token.kind !== "AccessToken" || token.aud !== paymentResource) return undefined;
  const { accountId, grantId, clientId, jti } = token as AccessToken;
  if (grantId === undefined || clientId === undefined) throw new errors.InvalidGrant("no payment");
  const now = deps.clock.now();
  const payment = await inTransaction(deps.oidcDb, async (tx) => {
    const redeemed = await redeemPayment(tx, { userId: accountId, grantId, clientId, now });
    if (redeemed === undefined) return undefined;
    await noteAccessToken(tx, {
      userId: accountId,
      jti,
      grantId,
      clientId,
      scope: token.scope ?? "",
      expiresAt: new Date(now.getTime() + accessTokenSeconds * 1000),
    });
    return redeemed;
  });
  if (payment === undefined) throw new errors.InvalidGrant("the payment has ended or was fetched already");
  return claimsOf(deps, payment);
}

function claimsOf(deps: OidcDeps, payment: RedeemedPayment): Record<string, string> {
  return {
    wallet_card_token: payment.walletCardToken,
    card_token: deps.box.open(payment.sealedCardToken, cardTokenData(payment.paymentId)).toString("utf8"),
    payment_amount: toMajorText(payment.amountMinor, parseCurrency(payment.currency)),
    payment_currency: payment.currency,
  };
}
