import { isAllowedUrl } from "../../domain/provider-urls.ts";
import type { ProviderCall, TokenSet } from "../connector.ts";
import { ProviderError } from "../provider-error.ts";
import { correlationIdOf, type ProviderHttp, type ProviderResponse, parseAnswer, parseJson } from "../provider-http.ts";
import type { BankTarget } from "./bank-target.ts";
import { oauthFailure } from "./consent.ts";
import { claimsOf, tokenAnswerShape, toTokenSet } from "./token-answer.ts";

/**
 * Refreshes at exactly `{issuer}/token`, as banks expect of wallets, credentials in the form. The answer may omit the refresh
 * token, and brings the wallet credential along, renewed when its end is near. Throws `ProviderError`: `grant_refused` for
 * `invalid_grant` alone, `client_refused`, else `unavailable`.
 */
export async function refreshTokens(
  parts: { http: ProviderHttp; insecureAllowed: boolean },
  target: BankTarget,
  refreshToken: string,
  call: ProviderCall,
): Promise<TokenSet> {
  const { issuer } = target.bank;
  if (!isAllowedUrl(issuer, parts.insecureAllowed)) throw new ProviderError("unavailable", { detail: "not https" });
  const form = new URLSearchParams({
    grant_type: "refresh_token",
    refresh_token: refreshToken,
    client_id: target.client.clientId,
    client_secret: target.client.clientSecret,
  });
  const response = await parts.http.send(
    {
      url: `${issuer.replace(/\/+$/, "")}/token`,
      method: "POST",
      headers: { "content-type": "application/x-www-form-urlencoded" },
      body: form.toString(),
    },
    call,
  );
  if (response.status === 400 || response.status === 401) throw refusalOf(response);
  const answer = parseAnswer(response, tokenAnswerShape);
  return toTokenSet(answer, [claimsOf(answer.access_token), claimsOf(answer.id_token)], call.now);
}

function refusalOf(response: ProviderResponse): ProviderError {
  const body = parseJson(response.text);
  const error = typeof body === "object" && body !== null && "error" in body ? body.error : undefined;
  const correlationId = correlationIdOf(response);
  const refusal = oauthFailure(error, correlationId);
  // Only invalid_grant ends a consent. Whatever else a bank says to a refresh is worth another try.
  if (refusal.failure !== "forbidden") return refusal;
  return new ProviderError("unavailable", { oauthError: refusal.oauthError, correlationId });
}
