import { createLocalJWKSet, decodeProtectedHeader, type JWK, type JWTPayload, jwtVerify } from "jose";
import type { AccessToken, AdapterFactory, AdapterPayload, ClientCredentials } from "oidc-provider";
import { publicKeys } from "./signing-keys.ts";

const tokenLengthMax = 16 * 1024;
/** Records of JWT access tokens stand beside opaque ones; with this prefix a bare `jti` is never mistaken for a token. */
const recordPrefix = "jwt:";

/** Options of `createJwtAccessTokens`. */
export interface JwtAccessTokenOptions {
  readonly adapter: AdapterFactory;
  readonly jwks: { readonly keys: readonly JWK[] };
  readonly issuer: string;
  /** Accepted audiences. */
  readonly audience: readonly string[];
}

/** An access token that is genuine, in time, and not revoked. */
export interface VerifiedAccessToken {
  readonly jti: string;
  /** The account the token speaks for. */
  readonly sub: string;
  readonly clientId: string;
  readonly scopes: ReadonlySet<string>;
  readonly grantId: string;
  readonly expiresAt: Date;
}

/** JWT access tokens that can be revoked: each has a row while it lives, and ends with its grant. */
export interface JwtAccessTokens {
  /** For `formats.customizers.jwt`: writes the row before the token leaves. Throws `invalid_grant` when the grant has ended. */
  remember(token: AccessToken | ClientCredentials, payload: Readonly<Record<string, unknown>>): Promise<void>;
  /** Signature, `typ`, issuer, audience, time, and the row. Undefined when anything is wrong. One database read. */
  verify(token: string): Promise<VerifiedAccessToken | undefined>;
  /** The id of the row of a genuine token, whatever its state; undefined for a forged one. */
  recordId(token: string): Promise<string | undefined>;
}

/** Makes the register over an adapter. oidc-provider itself forgets JWT access tokens once they are signed. */
export function createJwtAccessTokens(options: JwtAccessTokenOptions): JwtAccessTokens {
  const records = options.adapter("AccessToken");
  const keySet = createLocalJWKSet(publicKeys(options.jwks));
  const algorithms = options.jwks.keys.map((key) => key.alg).filter((alg) => alg !== undefined);
  const decode = async (token: string): Promise<JWTPayload | undefined> => {
    if (token.length > tokenLengthMax) return undefined;
    try {
      const verified = await jwtVerify(token, keySet, {
        algorithms,
        typ: "at+jwt",
        issuer: options.issuer,
        audience: [...options.audience],
        requiredClaims: ["jti", "sub", "exp", "client_id"],
      });
      return verified.payload;
    } catch {
      return undefined;
    }
  };
  return {
    async remember(token, payload) {
      const { jti, exp, iat } = payload;
      if (typeof jti !== "string" || typeof exp !== "number" || typeof iat !== "number") {
        throw new TypeError("an access token without jti, iat or exp");
      }
      await records.upsert(`${recordPrefix}${jti}`, recordOf(token, payload, iat, exp), exp - iat);
    },
    async verify(token) {
      const payload = await decode(token);
      if (payload?.jti === undefined) return undefined;
      const record = await records.find(`${recordPrefix}${payload.jti}`);
      return toVerified(payload, payload.jti, record ?? undefined);
    },
    async recordId(token) {
      const jti = (await decode(token))?.jti;
      return jti === undefined ? undefined : `${recordPrefix}${jti}`;
    },
  };
}

/** Whether a text has the form of a signed JWT. */
export function looksLikeJwt(token: string): boolean {
  try {
    decodeProtectedHeader(token);
    return true;
  } catch {
    return false;
  }
}

// What introspection, revocation and session binding need. The token's own extra claims stay out: some are secrets.
function recordOf(
  token: AccessToken | ClientCredentials,
  payload: Readonly<Record<string, unknown>>,
  iat: number,
  exp: number,
): AdapterPayload {
  const shared = {
    kind: token.kind,
    format: "opaque",
    iat,
    exp,
    clientId: token.clientId,
    scope: token.scope,
    aud: typeof payload["aud"] === "string" ? payload["aud"] : undefined,
  };
  if (token.kind === "ClientCredentials") return shared;
  return {
    ...shared,
    accountId: token.accountId,
    grantId: token.grantId,
    gty: token.gty,
    sid: token.sid,
    sessionUid: token.sessionUid,
    expiresWithSession: token.expiresWithSession,
  };
}

function toVerified(
  payload: JWTPayload,
  jti: string,
  record: AdapterPayload | undefined,
): VerifiedAccessToken | undefined {
  const { sub, exp, scope } = payload;
  if (!record?.accountId || !record.clientId || !record.grantId || sub === undefined || exp === undefined)
    return undefined;
  return {
    jti,
    sub,
    clientId: record.clientId,
    scopes: new Set(typeof scope === "string" ? scope.split(" ") : []),
    grantId: record.grantId,
    expiresAt: new Date(exp * 1000),
  };
}
