import { generateKeyPairSync, randomUUID } from "node:crypto";
import {
  type CryptoKey,
  calculateJwkThumbprint,
  createLocalJWKSet,
  exportJWK,
  importJWK,
  type JSONWebKeySet,
  type JWK,
  type JWTPayload,
  jwtVerify,
  SignJWT,
} from "jose";
import { z } from "zod";
import type { Database } from "../../platform/db/open-database.ts";
import type { Clock } from "../../platform/time/clock.ts";
import type { SealedBox } from "../../platform/vault/sealed-box.ts";
import { listSigningKeys, offerSigningKey } from "../storage/signing-keys-store.ts";
import type { WalletTables } from "../storage/tables.ts";

export const accessTokenLifetimeSeconds = 3600;
export const refreshTokenLifetimeMs = 30 * 24 * 3600_000;

const algorithm = "ES256";
const accessAudience = "mwsim";
// Tokens of either kind are useless as the other: the audience differs besides the type.
const refreshAudience = "mwsim-refresh";
const tokenLengthMax = 2048;

/** Who an access token speaks for. */
export interface AccessClaims {
  readonly userId: string;
  readonly deviceId: string;
  readonly sessionId: string;
}

/** What a refresh token says of itself. */
export interface RefreshClaims {
  readonly userId: string;
  readonly deviceId: string;
  readonly jti: string;
}

/** Signs and verifies the tokens of phones. Verification gives undefined for anything that is not a token of ours. */
export interface MobileTokens {
  signAccess(claims: AccessClaims): Promise<string>;
  signRefresh(claims: RefreshClaims & { readonly issuedAt: Date; readonly expiresAt: Date }): Promise<string>;
  verifyAccess(token: string): Promise<AccessClaims | undefined>;
  verifyRefresh(token: string): Promise<RefreshClaims | undefined>;
  /** The public keys, for whoever checks access tokens. */
  readonly jwks: JSONWebKeySet;
}

const accessShape = z.object({ sub: z.uuid(), deviceId: z.string(), sid: z.uuid(), type: z.literal("access") });
const refreshShape = z.object({ sub: z.uuid(), deviceId: z.string(), jti: z.uuid(), type: z.literal("refresh") });

/**
 * Loads this deployment's ES256 keys, making the first one if there is none; several replicas agree on one. `issuer` is
 * the wallet's public origin. Throws when a stored key does not open under the encryption key.
 */
export async function loadMobileTokens(options: {
  readonly db: Database<WalletTables>;
  readonly box: SealedBox;
  readonly issuer: string;
  readonly clock: Clock;
}): Promise<MobileTokens> {
  const { signingKey, kid, jwks } = await loadKeys(options);
  const keySet = createLocalJWKSet(jwks);
  const sign = (payload: JWTPayload, at: { issuedAt: Date; expiresAt: Date; audience: string; jti: string }) =>
    new SignJWT(payload)
      .setProtectedHeader({ alg: algorithm, kid, typ: "JWT" })
      .setIssuer(options.issuer)
      .setAudience(at.audience)
      .setJti(at.jti)
      .setIssuedAt(at.issuedAt)
      .setExpirationTime(at.expiresAt)
      .sign(signingKey);
  const verify = async (token: string, audience: string): Promise<JWTPayload | undefined> => {
    if (token.length > tokenLengthMax) return undefined;
    const verified = await jwtVerify(token, keySet, {
      algorithms: [algorithm],
      issuer: options.issuer,
      audience,
      requiredClaims: ["sub", "exp", "jti"],
      currentDate: options.clock.now(),
    }).catch(() => undefined);
    return verified?.payload;
  };
  return {
    jwks,
    signAccess: ({ userId, deviceId, sessionId }) => {
      const issuedAt = options.clock.now();
      const expiresAt = new Date(issuedAt.getTime() + accessTokenLifetimeSeconds * 1000);
      const payload = { sub: userId, deviceId, sid: sessionId, type: "access" };
      return sign(payload, { issuedAt, expiresAt, audience: accessAudience, jti: randomUUID() });
    },
    signRefresh: ({ userId, deviceId, jti, issuedAt, expiresAt }) =>
      sign({ sub: userId, deviceId, type: "refresh" }, { issuedAt, expiresAt, audience: refreshAudience, jti }),
    verifyAccess: async (token) => {
      const parsed = accessShape.safeParse(await verify(token, accessAudience));
      if (!parsed.success) return undefined;
      return { userId: parsed.data.sub, deviceId: parsed.data.deviceId, sessionId: parsed.data.sid };
    },
    verifyRefresh: async (token) => {
      const parsed = refreshShape.safeParse(await verify(token, refreshAudience));
      if (!parsed.success) return undefined;
      return { userId: parsed.data.sub, deviceId: parsed.data.deviceId, jti: parsed.data.jti };
    },
  };
}

async function loadKeys(options: { db: Database<WalletTables>; box: SealedBox; clock: Clock }): Promise<{
  signingKey: CryptoKey | Uint8Array;
  kid: string;
  jwks: JSONWebKeySet;
}> {
  const { query } = options.db;
  if ((await listSigningKeys(query)).length === 0) {
    const made = await makeKey();
    await offerSigningKey(query, {
      kid: made.kid,
      slot: 1,
      publicJwk: { ...made.publicJwk },
      sealedPrivate: options.box.seal(JSON.stringify(made.privateJwk), associatedData(made.kid)),
      now: options.clock.now(),
    });
  }
  const stored = await listSigningKeys(query);
  const newest = stored[0];
  if (newest === undefined) throw new Error("no signing key could be stored");
  const opened = options.box.open(newest.sealedPrivate, associatedData(newest.kid)).toString("utf8");
  return {
    signingKey: await importJWK(z.looseObject({ kty: z.literal("EC") }).parse(JSON.parse(opened)), algorithm),
    kid: newest.kid,
    jwks: { keys: stored.map((key) => key.publicJwk as JWK) }, // the store has checked kty and kid
  };
}

async function makeKey(): Promise<{ kid: string; publicJwk: JWK; privateJwk: JWK }> {
  const pair = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const [publicPart, privateJwk] = await Promise.all([exportJWK(pair.publicKey), exportJWK(pair.privateKey)]);
  const kid = await calculateJwkThumbprint(publicPart);
  return { kid, publicJwk: { ...publicPart, kid, use: "sig", alg: algorithm }, privateJwk };
}

function associatedData(kid: string): string {
  return `mobile_signing_keys:${kid}`;
}
