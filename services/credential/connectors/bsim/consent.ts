import {
  AuthorizationResponseError,
  authorizationCodeGrant,
  buildAuthorizationUrl,
  ClientError,
  calculatePKCECodeChallenge,
  ResponseBodyError,
  randomNonce,
  randomPKCECodeVerifier,
} from "openid-client";
import { z } from "zod";
import { type Claims, claimText, ownerReference } from "../../domain/owner-reference.ts";
import type { ConsentAnswer, ConsentStart, Grant, ProviderCall } from "../connector.ts";
import { ProviderError, parseOauthError } from "../provider-error.ts";
import { correlationIdOf, type ProviderHttp, parseAnswer } from "../provider-http.ts";
import type { BankMetadata, BankOidc } from "./bank-oidc.ts";
import type { BankTarget } from "./bank-target.ts";
import { claimsOf, tokenAnswerShape, toTokenSet } from "./token-answer.ts";

const scope = "openid profile email wallet:enroll fdx:accountdetailed:read offline_access";
const proofsShape = z.object({ verifier: z.string(), nonce: z.string() });
const claimsShape = z.looseObject({});
const profileLengthMax = 254;

/** Builds the enrolment request of a bank: PKCE S256, state, nonce, and a fresh sign-in. */
export async function beginConsent(
  oidc: BankOidc,
  target: BankTarget,
  start: { redirectUri: string; state: string },
  call: ProviderCall,
): Promise<ConsentStart> {
  const configuration = await oidc.configure(target, call);
  const verifier = randomPKCECodeVerifier();
  const nonce = randomNonce();
  const url = buildAuthorizationUrl(configuration, {
    scope,
    redirect_uri: start.redirectUri,
    state: start.state,
    nonce,
    code_challenge: await calculatePKCECodeChallenge(verifier),
    code_challenge_method: "S256",
    prompt: "login",
  });
  return { authUrl: url.href, proofs: JSON.stringify({ verifier, nonce }) };
}

/**
 * Exchanges the code: state, `iss` (RFC 9207) and nonce are checked, then the claims are looked for in the access token, the id
 * token and, when something is missing, at userinfo. Throws `ProviderError`: `mismatch`, `grant_refused`, `unavailable`.
 */
export async function completeConsent(
  parts: { oidc: BankOidc; http: ProviderHttp },
  target: BankTarget,
  answer: ConsentAnswer,
  call: ProviderCall,
): Promise<Grant> {
  const configuration = await parts.oidc.configure(target, call);
  const proofs = proofsShape.parse(JSON.parse(answer.proofs));
  const callback = new URL(answer.redirectUri);
  callback.searchParams.set("code", answer.code);
  callback.searchParams.set("state", answer.state);
  const iss = answer.iss ?? target.bank.issuer;
  if (iss !== "") callback.searchParams.set("iss", iss);
  const response = await authorizationCodeGrant(configuration, callback, {
    pkceCodeVerifier: proofs.verifier,
    expectedState: answer.state,
    expectedNonce: proofs.nonce,
    idTokenExpected: true,
  }).catch((cause: unknown) => {
    throw translateGrantError(cause);
  });
  const parsed = tokenAnswerShape.safeParse(response);
  if (!parsed.success) throw new ProviderError("unavailable", { detail: "token answer not understood" });
  const direct = [claimsOf(parsed.data.access_token), response.claims() ?? {}];
  const metadata = await parts.oidc.metadata(target, call);
  const userinfo = await fetchMissingClaims(parts.http, metadata, parsed.data.access_token, direct, call);
  const sources = [...direct, userinfo];
  const owner = ownerReference(sources);
  if (owner === undefined) throw new ProviderError("unavailable", { detail: "no subject in the tokens" });
  return {
    ...toTokenSet(parsed.data, sources, call.now),
    issuer: metadata.issuer,
    institutionId: target.bank.bankId,
    institutionName: target.bank.name,
    ownerReference: owner,
    providerReference: owner,
    profileEmail: claimText(sources, "email", profileLengthMax) ?? "",
    profileName: claimText(sources, "name", profileLengthMax) ?? "",
  };
}

/** Userinfo is asked only for what the tokens lack, and its failure is no failure of the consent. */
async function fetchMissingClaims(
  http: ProviderHttp,
  metadata: BankMetadata,
  accessToken: string,
  direct: readonly Claims[],
  call: ProviderCall,
): Promise<Claims> {
  const wanted = ["email", "wallet_credential", "bsim_user_id"];
  const complete = wanted.every((name) => claimText(direct, name, 16 * 1024) !== undefined);
  if (complete || metadata.userinfo_endpoint === undefined) return {};
  try {
    const headers = { authorization: `Bearer ${accessToken}` };
    const response = await http.send({ url: metadata.userinfo_endpoint, method: "GET", headers }, call);
    const claims = parseAnswer(response, claimsShape);
    // OpenID Connect Core 5.3.2: userinfo of another subject must not be used.
    return claims["sub"] === direct[1]?.["sub"] ? claims : {};
  } catch (error) {
    if (error instanceof ProviderError) return {};
    throw error;
  }
}

/** What openid-client throws, as a failure we act on. Library texts stay behind: they can quote tokens. */
export function translateGrantError(cause: unknown): ProviderError {
  if (cause instanceof ProviderError) return cause;
  if (cause instanceof ResponseBodyError) {
    return oauthFailure(cause.error, correlationIdOf({ headers: Object.fromEntries(cause.response.headers) }));
  }
  if (cause instanceof AuthorizationResponseError) return oauthFailure(cause.error);
  if (cause instanceof ClientError) {
    if (cause.cause instanceof ProviderError) return cause.cause;
    const mismatches = [
      "OAUTH_JWT_CLAIM_COMPARISON_FAILED",
      "OAUTH_JSON_ATTRIBUTE_COMPARISON_FAILED",
      "OAUTH_INVALID_RESPONSE",
      "OAUTH_KEY_SELECTION_FAILED",
      "OAUTH_JWT_TIMESTAMP_CHECK_FAILED",
    ];
    if (mismatches.includes(cause.code ?? "")) return new ProviderError("mismatch", { detail: cause.code ?? "" });
    return new ProviderError("unavailable", { detail: cause.code ?? "client error" });
  }
  return new ProviderError("unavailable", { detail: "no usable answer" });
}

/** An OAuth error code of a token endpoint, as a failure we act on. */
export function oauthFailure(error: unknown, correlationId?: string): ProviderError {
  const oauthError = parseOauthError(error);
  const facts = { oauthError, correlationId };
  switch (oauthError) {
    case "invalid_grant":
      return new ProviderError("grant_refused", facts);
    case "invalid_client":
    case "unauthorized_client":
      return new ProviderError("client_refused", facts);
    case undefined:
    case "server_error":
    case "temporarily_unavailable":
      return new ProviderError("unavailable", facts);
    default:
      return new ProviderError("forbidden", facts);
  }
}
