import { z } from "zod";
import type { SecretsToRevoke } from "../../domain/secrets-to-revoke.ts";
import type {
  CallbackFacts,
  ConsentAnswer,
  ConsentRequest,
  ConsentStart,
  Grant,
  ProviderCall,
  TokenSet,
} from "../connector.ts";
import { nothingOfProvider, ProviderError } from "../provider-error.ts";
import { readPatiently } from "../read-patiently.ts";
import { withinOneTimeout } from "../within-one-timeout.ts";
import { type WiseApi, wiseId } from "./wise-api.ts";

/** Wise is one institution. */
export const institution = Object.freeze({ institutionId: "wise", name: "Wise", countries: [] });

const profilesMax = 100;
// Wise's refresh tokens live 20 years.
const secondsMax = 40 * 366 * 86_400;
const token = z
  .string()
  .min(1)
  .max(16 * 1024);
const seconds = z.coerce.number().positive().max(secondsMax);
/** What the token endpoint answers; the application's own token has no refresh token. */
export const tokenShape = z.looseObject({
  access_token: token,
  expires_in: seconds.optional().catch(undefined),
  refresh_token: token.optional(),
  refresh_token_expires_in: seconds.optional().catch(undefined),
});
type TokenAnswer = z.infer<typeof tokenShape>;

const name = z.string().max(254).nullish().catch(undefined);
const profilesShape = z
  .array(z.looseObject({ id: wiseId, type: z.string().max(40), email: name, fullName: name, businessName: name }))
  .max(profilesMax);
type Profile = z.infer<typeof profilesShape>[number];

/** What consents work with. */
export interface ConsentParts {
  readonly api: WiseApi;
  readonly clientId: string;
  readonly authorizeUrl: string;
  readonly issuer: string;
}

/** Builds the link to Wise's page. Wise knows no PKCE: the state, and the application's own secret at the exchange, have to do. */
export function beginConsent(parts: ConsentParts, start: ConsentRequest): ConsentStart {
  const url = new URL(parts.authorizeUrl);
  url.searchParams.set("client_id", parts.clientId);
  url.searchParams.set("redirect_uri", start.redirectUri);
  url.searchParams.set("state", start.state);
  return { authUrl: url.href, proofs: "{}" };
}

// No code holds one: RFC 6749 leaves codes printable characters.
const separator = "\n";

/** Wise tells the chosen profile beside the code; both travel on as one. */
export function readReturn(query: URLSearchParams): CallbackFacts {
  const code = query.get("code") ?? "";
  const profileId = query.get("profileId") ?? query.get("profileID") ?? "";
  return {
    state: query.get("state") ?? "",
    code: code === "" || profileId === "" ? code : `${code}${separator}${profileId}`,
    iss: "",
    error: query.get("error") ?? "",
  };
}

/**
 * Exchanges the code and asks which profile it is for. What the callback says of the profile is a browser's word: it has to be one the
 * token opens, else `mismatch`. A grant whose profile cannot be found out is given up, and its tokens with it.
 */
export async function completeConsent(parts: ConsentParts, answer: ConsentAnswer, call: ProviderCall): Promise<Grant> {
  const { api, clientId, issuer } = parts;
  const [code = "", profileId] = answer.code.split(separator);
  const next = withinOneTimeout(call);
  const fields = { grant_type: "authorization_code", client_id: clientId, code, redirect_uri: answer.redirectUri };
  const exchanged = await api.token(fields, tokenShape, next());
  const profile = await findProfile(api, { accessToken: exchanged.access_token, profileId }, next).catch(
    async (error: unknown) => {
      await spend(api, exchanged.refresh_token, next()).catch(nothingOfProvider);
      throw error;
    },
  );
  return {
    ...toTokenSet(exchanged, call.now),
    issuer,
    institutionId: institution.institutionId,
    institutionName: institution.name,
    ownerReference: profile.id,
    providerReference: profile.id,
    profileEmail: profile.email ?? "",
    profileName: profile.businessName ?? profile.fullName ?? "",
  };
}

/** A new pair for a refresh token. `grant_refused` when its person has taken the account back. */
export async function refreshTokens(api: WiseApi, refreshToken: string, call: ProviderCall): Promise<TokenSet> {
  const fields = { grant_type: "refresh_token", refresh_token: refreshToken };
  return toTokenSet(await api.token(fields, tokenShape, call), call.now);
}

/**
 * Wise has no call that ends a grant: its person does that, in his settings. What can be done from here is to use the refresh token up
 * and throw its successor away, so that nothing anybody may have kept of ours can be renewed; the access token ends within twelve hours.
 */
export async function spendGrant(api: WiseApi, secrets: SecretsToRevoke, call: ProviderCall): Promise<void> {
  await spend(api, secrets.refreshToken, call);
}

async function spend(api: WiseApi, refreshToken: string | undefined, call: ProviderCall): Promise<void> {
  if (refreshToken === undefined) return;
  try {
    await refreshTokens(api, refreshToken, call);
  } catch (error) {
    // Dead already is what was wanted.
    if (!(error instanceof ProviderError && error.failure === "grant_refused")) throw error;
  }
}

async function findProfile(
  api: WiseApi,
  consent: { readonly accessToken: string; readonly profileId: string | undefined },
  next: () => ProviderCall,
): Promise<Profile> {
  const profiles = await readPatiently(() => api.read("/v2/profiles", consent.accessToken, profilesShape, next()));
  if (consent.profileId !== undefined) {
    const chosen = profiles.find((profile) => profile.id === consent.profileId);
    if (chosen === undefined) throw new ProviderError("mismatch", { detail: "not a profile of this consent" });
    return chosen;
  }
  const first = profiles.find((profile) => profile.type.toUpperCase() === "PERSONAL") ?? profiles[0];
  if (first === undefined) throw new ProviderError("unavailable", { detail: "no profile" });
  return first;
}

function toTokenSet(answer: TokenAnswer, now: Date): TokenSet {
  return {
    accessToken: answer.access_token,
    accessTokenExpiresAt: after(now, answer.expires_in),
    refreshToken: answer.refresh_token,
    // The consent lasts as long as its tokens can be renewed.
    consentExpiresAt: after(now, answer.refresh_token_expires_in),
  };
}

function after(now: Date, lifeSeconds: number | undefined): Date | undefined {
  return lifeSeconds === undefined ? undefined : new Date(now.getTime() + lifeSeconds * 1000);
}
