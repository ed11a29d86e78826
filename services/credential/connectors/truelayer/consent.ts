import { calculatePKCECodeChallenge, randomNonce, randomPKCECodeVerifier } from "openid-client";
import { z } from "zod";
import type {
  ConsentAnswer,
  ConsentExtension,
  ConsentExtensionRequest,
  ConsentRequest,
  ConsentStart,
  Grant,
  ProviderCall,
  TokenSet,
} from "../connector.ts";
import { nothingOfProvider, ProviderError } from "../provider-error.ts";
import { readPatiently } from "../read-patiently.ts";
import { shorter } from "../within-one-timeout.ts";
import { findAccounts } from "./accounts.ts";
import { type TrueLayerApi, TrueLayerRefusal } from "./truelayer-api.ts";

const token = z
  .string()
  .min(1)
  .max(16 * 1024);
const tokenShape = z.looseObject({
  access_token: token,
  refresh_token: token.optional(),
  expires_in: z.coerce
    .number()
    .positive()
    .max(400 * 86_400)
    .optional()
    .catch(undefined),
});
const moment = z.iso.datetime({ offset: true }).transform((text) => new Date(text));
const meShape = z.looseObject({
  credentials_id: z.string().min(1).max(200),
  consent_expires_at: moment.nullish().catch(undefined),
  provider: z.looseObject({ provider_id: z.string().min(1).max(200), display_name: z.string().max(200).nullish() }),
});
type Me = z.infer<typeof meShape>;
const extensionShape = z.discriminatedUnion("action_needed", [
  tokenShape.extend({ action_needed: z.literal("no_action_needed") }),
  z.looseObject({
    action_needed: z.enum(["authentication_needed", "reconfirmation_of_consent_needed"]),
    user_input_link: z.url({ protocol: /^https?$/ }).max(4_096),
  }),
]);
const proofsShape = z.object({ verifier: z.string().optional() });

/** A consent in the United Kingdom and the European Union ends after this long, where TrueLayer does not say when it does. */
const consentMs = 90 * 86_400_000;
const refusedExtensions: ReadonlySet<string> = new Set([
  "validation_error",
  "access_denied",
  "not_found",
  "deprecated_provider",
  "endpoint_not_supported",
]);

/** What consents work with. */
export interface ConsentParts {
  readonly api: TrueLayerApi;
  readonly authUrl: string;
  readonly clientId: string;
  readonly redirectUri: string;
  readonly providers: readonly string[];
  readonly scopes: readonly string[];
}

/** Builds the auth link, which works once: PKCE S256, state and nonce. With an institution its page begins at the bank's sign-in. */
export async function beginConsent(parts: ConsentParts, start: ConsentRequest): Promise<ConsentStart> {
  const verifier = randomPKCECodeVerifier();
  const institutionId = start.reconnect?.institutionId ?? start.institutionId;
  // A provider chosen beforehand has to be among those offered, so it is the only one offered.
  const providers = institutionId === "" ? parts.providers : [institutionId];
  const url = new URL(`${parts.authUrl}/`);
  const query = {
    response_type: "code",
    client_id: parts.clientId,
    redirect_uri: parts.redirectUri,
    scope: parts.scopes.join(" "),
    nonce: randomNonce(),
    state: start.state,
    providers: providers.join(" "),
    ...(institutionId === "" ? {} : { provider_id: institutionId }),
    ...(parts.providers.some((each) => each.endsWith("mock")) ? { enable_mock: "true" } : {}),
    code_challenge: await calculatePKCECodeChallenge(verifier),
    code_challenge_method: "S256",
  };
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
  return { authUrl: url.href, proofs: JSON.stringify({ verifier }) };
}

/**
 * Exchanges the code and asks whose consent it is. Without that answer the connection could neither be ended nor be told from others:
 * then the tokens are given back, and the consent has failed.
 */
export async function completeConsent(parts: ConsentParts, answer: ConsentAnswer, call: ProviderCall): Promise<Grant> {
  const { verifier } = proofsShape.parse(JSON.parse(answer.proofs));
  const fields = {
    grant_type: "authorization_code",
    redirect_uri: parts.redirectUri,
    code: answer.code,
    ...(verifier === undefined ? {} : { code_verifier: verifier }),
  };
  const exchanged = await parts.api.token(fields, tokenShape, call);
  const me = await findMe(parts.api, exchanged.access_token, call).catch(async (error: unknown) => {
    await parts.api.endOwnConnection(exchanged.access_token, call).catch(nothingOfProvider);
    throw error;
  });
  const { reconnect } = answer;
  const isSameBank = reconnect?.institutionId === me.provider.provider_id;
  return {
    ...toTokenSet(exchanged, call.now),
    consentExpiresAt: consentEnd(me, call.now),
    issuer: parts.authUrl,
    institutionId: me.provider.provider_id,
    institutionName: me.provider.display_name ?? "",
    // TrueLayer knows no person behind consents; one that renews another's takes its place, and so does one to the same accounts.
    ownerReference: isSameBank ? reconnect.ownerReference : me.credentials_id,
    providerReference: me.credentials_id,
    lastingAccountIds: await accountIdsOf(parts, exchanged.access_token, call),
    profileEmail: "",
    profileName: "",
  };
}

/** Refreshes; the answer replaces both tokens. A bank TrueLayer has given up ends the consent like one that was revoked. */
export async function refreshTokens(api: TrueLayerApi, refreshToken: string, call: ProviderCall): Promise<TokenSet> {
  try {
    const fields = { grant_type: "refresh_token", refresh_token: refreshToken };
    return toTokenSet(await api.token(fields, tokenShape, call), call.now);
  } catch (error) {
    if (error instanceof TrueLayerRefusal && error.word === "deprecated_provider") {
      throw new ProviderError("grant_refused", { oauthError: error.word, correlationId: error.correlationId });
    }
    throw error;
  }
}

/** Extends a consent its user has confirmed once more. `state` comes back with him when he has to sign in at his bank for it. */
export async function extendConsent(
  parts: ConsentParts,
  grant: ConsentExtensionRequest,
  call: ProviderCall,
): Promise<ConsentExtension> {
  const fields = {
    user_has_reconfirmed_consent: true,
    refresh_token: grant.refreshToken,
    redirect_uri: parts.redirectUri,
    state: grant.state,
  };
  const answer = await parts.api.extend(fields, extensionShape, call).catch((error: unknown) => {
    // TrueLayer extends nothing before it has seen the app's page for it, nor outside the United Kingdom.
    if (error instanceof TrueLayerRefusal && refusedExtensions.has(error.word)) {
      throw new ProviderError("forbidden", { oauthError: error.word, correlationId: error.correlationId });
    }
    throw error;
  });
  if (answer.action_needed !== "no_action_needed") {
    // The link is TrueLayer's own: it promised no verifier.
    return { authUrl: answer.user_input_link, proofs: JSON.stringify({}) };
  }
  const me = await findMe(parts.api, answer.access_token, call).catch(nothingOfProvider);
  return { tokens: { ...toTokenSet(answer, call.now), consentExpiresAt: consentEnd(me, call.now) } };
}

/** TrueLayer's ids of accounts are the same at every consent. Good to know, and no reason to lose a consent. */
async function accountIdsOf(
  { api, scopes }: ConsentParts,
  accessToken: string,
  call: ProviderCall,
): Promise<readonly string[] | undefined> {
  const found = await findAccounts(api, { accessToken }, scopes, shorter(call)).catch(nothingOfProvider);
  return found?.map((each) => each.accountId);
}

async function findMe(api: TrueLayerApi, accessToken: string, call: ProviderCall): Promise<Me> {
  return await readPatiently(async () => {
    const [me] = await api.read("/me", accessToken, meShape, call);
    if (me === undefined) throw new ProviderError("unavailable", { detail: "no connection told" });
    return me;
  });
}

function consentEnd(me: Me | undefined, now: Date): Date {
  return me?.consent_expires_at ?? new Date(now.getTime() + consentMs);
}

function toTokenSet(answer: z.infer<typeof tokenShape>, now: Date): TokenSet {
  const { access_token: accessToken, refresh_token: refreshToken, expires_in: seconds } = answer;
  const accessTokenExpiresAt = seconds === undefined ? undefined : new Date(now.getTime() + seconds * 1000);
  return { accessToken, accessTokenExpiresAt, ...(refreshToken === undefined ? {} : { refreshToken }) };
}
