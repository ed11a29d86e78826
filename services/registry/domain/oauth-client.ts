import { DomainError } from "../../platform/errors/domain-error.ts";
import type { KeySummary } from "./access-key.ts";
import { parsePublicUrl, type UrlRules } from "./public-url.ts";
import { parseIdentifier, parseName, parseStatus } from "./text-fields.ts";

const redirectsMax = 20;
const scopesKnown: readonly string[] = ["openid", "profile", "email", "payment:authorize"];

/** Settings of a client of the wallet's OIDC provider. */
export interface OauthClientSettings {
  readonly id: string;
  readonly name: string;
  readonly redirectUris: readonly string[];
  readonly postLogoutRedirectUris: readonly string[];
  readonly scopes: readonly string[];
  /** The id its payments carry at the Router and the banks. */
  readonly merchantId: string;
  readonly status: "active" | "inactive";
}

/** A stored client. */
export interface OauthClient extends OauthClientSettings {
  readonly secrets: readonly KeySummary[];
  readonly revision: bigint;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

/** Settings as an operator sends them. */
export interface OauthClientInput {
  readonly clientId: string;
  readonly name: string;
  readonly redirectUris: readonly string[];
  readonly postLogoutRedirectUris: readonly string[];
  readonly scopes: readonly string[];
  readonly merchantId: string;
  readonly status?: string | undefined;
}

/**
 * Checks a client's settings. Redirects are compared exactly later on, so they are kept as given. An absent status is
 * `undefined`: the stored one stays.
 * @throws DomainError INVALID_ARGUMENT naming the field.
 */
export function parseOauthClient(
  input: OauthClientInput,
  rules: UrlRules,
): Omit<OauthClientSettings, "status"> & { readonly status: "active" | "inactive" | undefined } {
  const id = parseIdentifier(input.clientId, "clientId");
  return {
    id,
    name: parseName(input.name),
    redirectUris: parseRedirects(input.redirectUris, "redirectUris", rules),
    postLogoutRedirectUris: parseRedirects(input.postLogoutRedirectUris, "postLogoutRedirectUris", rules),
    scopes: parseScopes(input.scopes),
    merchantId: input.merchantId === "" ? id : parseIdentifier(input.merchantId, "merchantId"),
    status: parseStatus(input.status),
  };
}

function parseRedirects(uris: readonly string[], field: string, rules: UrlRules): string[] {
  if (uris.length > redirectsMax) {
    throw new DomainError("INVALID_ARGUMENT", { why: `${field} has more than ${redirectsMax} items` });
  }
  return [...new Set(uris.map((uri) => parsePublicUrl(uri, { field, rules, query: true })))];
}

function parseScopes(scopes: readonly string[]): string[] {
  if (!scopes.every((scope) => scopesKnown.includes(scope))) {
    throw new DomainError("INVALID_ARGUMENT", { why: `scopes are of: ${scopesKnown.join(" ")}` });
  }
  if (!scopes.includes("openid")) throw new DomainError("INVALID_ARGUMENT", { why: "scopes must include openid" });
  return [...new Set(scopes)];
}
