import { exportJWK, exportPKCS8, generateKeyPair, importPKCS8, type JWK } from "jose";
import type { Database } from "../db/open-database.ts";
import { randomToken } from "../secrets/random-token.ts";
import type { SealedBox } from "../vault/sealed-box.ts";
import type { OidcTables } from "./storage/oidc-record-store.ts";
import { createSigningKeyStore, type StoredSigningKey } from "./storage/signing-key-store.ts";

/** Algorithms the product signs tokens with. */
export type SigningAlgorithm = "RS256" | "ES256";

const rsaBits = 2048;
const keyIdBytes = 12;

/** Options of `loadSigningKeys`. */
export interface SigningKeyOptions {
  readonly db: Pick<Database<OidcTables>, "query">;
  /** Seals the private halves; the associated data names table, algorithm and key id. */
  readonly box: SealedBox;
  /** At least one; the first signs where nothing else is said. */
  readonly algs: readonly SigningAlgorithm[];
}

/**
 * The private keys of this deployment as a JWK set for oidc-provider: made at the first start, sealed in the database, the
 * same on every replica. Keys that sign stand before retired ones, which only verify. Throws when a stored key does not
 * open: a wrong sealing key must stop the start, not make new keys beside the old.
 */
export async function loadSigningKeys(options: SigningKeyOptions): Promise<{ keys: JWK[] }> {
  const store = createSigningKeyStore(options.db);
  let stored = await store.list();
  const missing = options.algs.filter((alg) => !stored.some((key) => key.alg === alg && !key.retired));
  for (const alg of missing) {
    // After every earlier key of the algorithm has been retired by an operator, the next start makes a new one.
    const generation = 1 + Math.max(0, ...stored.filter((key) => key.alg === alg).map((key) => key.generation));
    await store.add({ ...(await makeKey(alg, options.box)), generation });
  }
  // Read again: another replica's key may have been first.
  if (missing.length > 0) stored = await store.list();
  const ordered = [...stored].sort((one, other) => Number(one.retired) - Number(other.retired));
  const keys = await Promise.all(ordered.map((key) => openKey(key, options.box)));
  return { keys };
}

async function makeKey(alg: SigningAlgorithm, box: SealedBox) {
  const { privateKey } = await generateKeyPair(alg, { extractable: true, modulusLength: rsaBits });
  const keyId = randomToken(keyIdBytes);
  return { alg, keyId, sealedKey: box.seal(await exportPKCS8(privateKey), associatedData(alg, keyId)) };
}

async function openKey(stored: StoredSigningKey, box: SealedBox): Promise<JWK> {
  const pem = box.open(stored.sealedKey, associatedData(stored.alg, stored.keyId)).toString("utf8");
  const key = await importPKCS8(pem, stored.alg, { extractable: true });
  return { ...(await exportJWK(key)), alg: stored.alg, use: "sig", kid: stored.keyId };
}

function associatedData(alg: string, keyId: string): string {
  return `oidc_signing_keys/${alg}/${keyId}`;
}

/** The public halves, as a JWKS endpoint serves them. */
export function publicKeys(jwks: { readonly keys: readonly JWK[] }): { keys: JWK[] } {
  return {
    keys: jwks.keys.map(({ kty, use, alg, kid, n, e, crv, x, y }) =>
      // Named one by one: a member added to the private form can never leak.
      JSON.parse(JSON.stringify({ kty, use, alg, kid, n, e, crv, x, y })),
    ),
  };
}
