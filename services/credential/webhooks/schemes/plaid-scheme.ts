import { createHash } from "node:crypto";
import { compactVerify, decodeProtectedHeader, errors, importJWK } from "jose";
import { z } from "zod";
import { textsEqual } from "../../../platform/secrets/keyed-hash.ts";
import type { ProviderCall } from "../../connectors/connector.ts";
import { assertFresh } from "./freshness.ts";
import { createKeyCache } from "./key-cache.ts";
import { headerOf, refused, type WebhookScheme } from "./scheme.ts";

const keyAgeMaxMs = 3_600_000;
const tokenLengthMax = 4_096;

/** A verification key as Plaid's `/webhook_verification_key/get` tells it. */
export interface PlaidVerificationKey {
  readonly kid: string;
  readonly x: string;
  readonly y: string;
  /** Set once Plaid has withdrawn it. */
  readonly isExpired: boolean;
}

/** Options of `createPlaidScheme`. */
export interface PlaidSchemeOptions {
  /** Asks Plaid; undefined for an id it does not know. Throws `ProviderError` when it cannot be asked. */
  fetchKey(kid: string, call: ProviderCall): Promise<PlaidVerificationKey | undefined>;
}

const claimsShape = z.object({
  iat: z.number().int().positive().max(9_999_999_999),
  request_body_sha256: z.string().regex(/^[0-9a-f]{64}$/),
});

/**
 * `Plaid-Verification`: a JWT by ES256 with `iat` and the SHA-256 of the raw body. A key is asked again after an hour, and as soon
 * as a new one appears: from then on an older one may have been withdrawn. A withdrawn key proves nothing.
 */
export function createPlaidScheme(options: PlaidSchemeOptions): WebhookScheme {
  const keys = createKeyCache({ fetch: options.fetchKey, ageMaxMs: keyAgeMaxMs });
  const seen = new Set<string>();
  const keyFor = async (kid: string, call: ProviderCall): Promise<PlaidVerificationKey> => {
    const key = await keys.get(kid, call);
    if (key === undefined || key.kid !== kid) throw refused("key_unknown");
    if (!seen.has(kid)) {
      keys.doubtOthers(kid);
      seen.add(kid);
    }
    if (key.isExpired) throw refused("key_expired");
    return key;
  };
  return async (request, call) => {
    const token = headerOf(request, "plaid-verification");
    const key = await keyFor(kidOf(token), call);
    const claims = await readClaims(token, key);
    assertFresh(new Date(claims.iat * 1000), request);
    const digest = createHash("sha256").update(request.body).digest("hex");
    if (!textsEqual(digest, claims.request_body_sha256)) throw refused("body_changed");
  };
}

/** When Plaid signed this webhook. Only for one that the scheme has proved; undefined for any that it would refuse. */
export function plaidSignedAt(token: string): Date | undefined {
  try {
    const payload: unknown = JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString("utf8"));
    return new Date(claimsShape.parse(payload).iat * 1000);
  } catch {
    return undefined;
  }
}

function kidOf(token: string): string {
  if (token.length > tokenLengthMax) throw refused("signature_malformed");
  try {
    const { alg, kid } = decodeProtectedHeader(token);
    if (alg === "ES256" && typeof kid === "string" && /^[A-Za-z0-9_-]{1,100}$/.test(kid)) return kid;
  } catch {
    // Told below, like any other header that is not Plaid's.
  }
  throw refused("signature_malformed");
}

async function readClaims(token: string, key: PlaidVerificationKey): Promise<z.infer<typeof claimsShape>> {
  const publicKey = await importJWK({ kty: "EC", crv: "P-256", x: key.x, y: key.y }, "ES256");
  try {
    const { payload } = await compactVerify(token, publicKey, { algorithms: ["ES256"] });
    return claimsShape.parse(JSON.parse(new TextDecoder().decode(payload)));
  } catch (error) {
    if (error instanceof errors.JWSSignatureVerificationFailed) throw refused("signature_wrong");
    throw refused("signature_malformed");
  }
}
