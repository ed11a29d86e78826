import { isAllowedUrl, walletApiUrl } from "../../domain/provider-urls.ts";
import type { SecretsToRevoke } from "../../domain/secrets-to-revoke.ts";
import type { ProviderCall } from "../connector.ts";
import { ProviderError } from "../provider-error.ts";
import { correlationIdOf, type ProviderHttp, type ProviderResponse } from "../provider-http.ts";
import type { BankOidc } from "./bank-oidc.ts";
import type { BankTarget } from "./bank-target.ts";

/**
 * Revokes the wallet credential and the tokens (RFC 7009). Returns once the bank has confirmed each of them, or no longer knows
 * it; else throws `ProviderError` "unavailable" and all of it is to be tried again, which is harmless.
 */
export async function revokeSecrets(
  parts: { http: ProviderHttp; oidc: BankOidc; insecureAllowed: boolean },
  target: BankTarget,
  secrets: SecretsToRevoke,
  call: ProviderCall,
): Promise<void> {
  if (secrets.credential !== undefined) await revokeCredential(parts, target, secrets.credential, call);
  // The refresh token first: with it the bank ends the whole grant.
  if (secrets.refreshToken !== undefined) {
    await revokeToken(parts, target, { token: secrets.refreshToken, hint: "refresh_token" }, call);
  }
  if (secrets.accessToken !== undefined) {
    await revokeToken(parts, target, { token: secrets.accessToken, hint: "access_token" }, call);
  }
}

async function revokeCredential(
  parts: { http: ProviderHttp; insecureAllowed: boolean },
  target: BankTarget,
  credential: string,
  call: ProviderCall,
): Promise<void> {
  const base = walletApiUrl(target.bank);
  if (!isAllowedUrl(base, parts.insecureAllowed)) throw new ProviderError("unavailable", { detail: "not https" });
  const url = `${base}/api/wallet/revoke`;
  const request = { url, method: "POST", headers: { authorization: `Bearer ${credential}` } } as const;
  // 401 and 404: unknown or dead there, which is what we want.
  assertGone(await parts.http.send(request, call), [401, 404, 410]);
}

async function revokeToken(
  parts: { http: ProviderHttp; oidc: BankOidc },
  target: BankTarget,
  revoked: { token: string; hint: string },
  call: ProviderCall,
): Promise<void> {
  const metadata = await parts.oidc.metadata(target, call);
  const url = metadata.revocation_endpoint ?? `${metadata.issuer.replace(/\/+$/, "")}/token/revoke`;
  const form = new URLSearchParams({
    token: revoked.token,
    token_type_hint: revoked.hint,
    client_id: target.client.clientId,
    client_secret: target.client.clientSecret,
  });
  const headers = { "content-type": "application/x-www-form-urlencoded" };
  const response = await parts.http.send({ url, method: "POST", headers, body: form.toString() }, call);
  // RFC 7009 2.2.1: 400 is "unsupported token type"; a bank without the route revokes with the credential alone.
  assertGone(response, [400, 404]);
}

/** 2xx, or one of the statuses that say as much. */
function assertGone(response: ProviderResponse, alsoGone: readonly number[]): void {
  const { status } = response;
  if ((status >= 200 && status <= 299) || alsoGone.includes(status)) return;
  throw new ProviderError("unavailable", { detail: `status ${status}`, correlationId: correlationIdOf(response) });
}
