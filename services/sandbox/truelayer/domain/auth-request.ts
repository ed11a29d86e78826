import { banksOffered } from "./banks.ts";

/** What an auth link asks for. */
export interface AuthRequest {
  readonly redirectUri: string;
  readonly scopes: readonly string[];
  readonly state: string | null;
  readonly nonce: string | null;
  readonly responseMode: "query" | "form_post";
  readonly providers: readonly string[];
  /** Skips the choice of a bank. */
  readonly providerId: string | null;
  readonly codeChallenge: string | null;
  readonly challengeMethod: "S256" | "plain" | null;
}

/** The permissions of the Data API. */
export const knownScopes: readonly string[] = [
  "offline_access",
  "info",
  "accounts",
  "transactions",
  "balance",
  "cards",
  "direct_debits",
  "standing_orders",
];

const valueLengthMax = 2_000;

/** A link that cannot be used. Only one whose client and redirect URI are known may be answered there. */
export type AuthRefusal =
  | { readonly kind: "page"; readonly text: string }
  | {
      readonly kind: "redirect";
      readonly error: string;
      readonly description: string;
      readonly request: ReturnAddress;
    };

/** Where, and how, an answer goes. */
export type ReturnAddress = Pick<AuthRequest, "redirectUri" | "state" | "responseMode">;

/** The app whose links are accepted. */
export interface KnownApp {
  readonly clientId: string;
  readonly redirectUris: readonly string[];
}

/** Reads the parameters of an auth link. An unknown app or address is never redirected to. */
export function readAuthRequest(
  query: Readonly<Record<string, string>>,
  app: KnownApp,
): { readonly request: AuthRequest } | { readonly refusal: AuthRefusal } {
  const given = (name: string): string | null => {
    const value = query[name];
    return value === undefined || value === "" ? null : value;
  };
  const page = (text: string) => ({ refusal: { kind: "page", text } as const });
  if (Object.values(query).some((value) => value.length > valueLengthMax)) return page("The link is too long.");
  if (given("client_id") !== app.clientId) return page("The link names an app we do not know (client_id).");
  const redirectUri = given("redirect_uri");
  if (redirectUri === null || !app.redirectUris.includes(redirectUri)) {
    return page("The link names a return address the app has not registered (redirect_uri).");
  }
  const responseMode = given("response_mode") === "form_post" ? "form_post" : "query";
  const address: ReturnAddress = { redirectUri, state: given("state"), responseMode };
  const refuse = (description: string, error = "invalid_request") => ({
    refusal: { kind: "redirect", error, description, request: address } as const,
  });
  if (given("response_type") !== "code") return refuse("response_type must be code", "unsupported_response_type");
  const scopes = words(given("scope"));
  if (scopes.length === 0 || scopes.some((scope) => !knownScopes.includes(scope))) {
    return refuse("scope must name permissions of the Data API", "invalid_scope");
  }
  const codeChallenge = given("code_challenge");
  const method = given("code_challenge_method") ?? "plain";
  if (codeChallenge !== null && !/^[A-Za-z0-9._~-]{43,128}$/.test(codeChallenge)) {
    return refuse("code_challenge is malformed");
  }
  if (codeChallenge !== null && method !== "S256" && method !== "plain") {
    return refuse("code_challenge_method must be S256 or plain");
  }
  const providers = words(given("providers"));
  const offered = banksOffered(providers);
  const providerId = given("provider_id");
  if (offered.length === 0) return refuse("none of the providers is available");
  if (providerId !== null && !offered.some((bank) => bank.providerId === providerId)) {
    return refuse("provider_id must be one of the providers");
  }
  return {
    request: {
      ...address,
      scopes: [...new Set(scopes)],
      nonce: given("nonce"),
      providers,
      providerId,
      codeChallenge,
      challengeMethod: codeChallenge === null ? null : method === "S256" ? "S256" : "plain",
    },
  };
}

function words(text: string | null): readonly string[] {
  return (text ?? "").split(/[\s+]+/).filter((word) => word !== "");
}
