import { createPrivateKey, createPublicKey, createSecretKey, type KeyObject } from "node:crypto";
import { type JWTPayload, jwtVerify, SignJWT } from "jose";
import { ConfigError } from "../../platform/config/config-error.ts";
import { scopeText, type WalletCredential } from "../domain/wallet-credential.ts";

const tokenType = "wallet_credential";
const tokenLengthMax = 16 * 1024;

/** Signs and checks wallet credentials. */
export interface CredentialSigner {
  /** The credential's text. The same credential gives the same text, so it need not be kept to be handed out again. */
  sign(credential: WalletCredential): Promise<string>;
  /** The id in a genuine credential of this bank, whatever its state; undefined for anything else. */
  readId(text: string): Promise<string | undefined>;
}

/** What signs: a secret text (HS256), or a private key in PEM, RSA (RS256) or Ed25519 (EdDSA). */
export type CredentialKey = { readonly secret: string } | { readonly privateKeyPem: string };

/** Makes the signer. Throws a ConfigError for a key of another kind: its signatures would differ from time to time. */
export function createCredentialSigner(options: {
  readonly key: CredentialKey;
  readonly issuer: string;
}): CredentialSigner {
  const { algorithm, signing, verifying } = keysOf(options.key);
  return {
    sign: (credential) =>
      new SignJWT({
        type: tokenType,
        userId: credential.customerId,
        walletId: credential.walletId,
        walletName: credential.walletName,
        cardIds: [...credential.cardIds],
        scope: scopeText(credential.scopes),
      })
        .setProtectedHeader({ alg: algorithm, typ: "JWT" })
        .setIssuer(options.issuer)
        // It is made for the bank itself: the wallet only carries it.
        .setAudience(options.issuer)
        .setSubject(credential.fiUserRef)
        .setJti(credential.id)
        .setIssuedAt(epochSeconds(credential.issuedAt))
        .setExpirationTime(epochSeconds(credential.expiresAt))
        .sign(signing),
    async readId(text) {
      if (text.length > tokenLengthMax) return undefined;
      let payload: JWTPayload;
      try {
        // Time is judged by the stored row, so that an expired credential can be told from a forged one.
        ({ payload } = await jwtVerify(text, verifying, {
          algorithms: [algorithm],
          issuer: options.issuer,
          audience: options.issuer,
          typ: "JWT",
          currentDate: new Date(0),
        }));
      } catch {
        return undefined;
      }
      return payload["type"] === tokenType ? payload.jti : undefined;
    },
  };
}

function keysOf(key: CredentialKey): { algorithm: string; signing: KeyObject; verifying: KeyObject } {
  if ("secret" in key) {
    const shared = createSecretKey(Buffer.from(key.secret, "utf8"));
    return { algorithm: "HS256", signing: shared, verifying: shared };
  }
  let signing: KeyObject;
  try {
    signing = createPrivateKey(key.privateKeyPem);
  } catch (error) {
    throw new ConfigError(["WALLET_CREDENTIAL_KEY_FILE: holds no private key in PEM"], { cause: error });
  }
  const algorithm = { rsa: "RS256", ed25519: "EdDSA" }[String(signing.asymmetricKeyType)];
  if (algorithm === undefined) throw new ConfigError(["WALLET_CREDENTIAL_KEY_FILE: must be an RSA or Ed25519 key"]);
  return { algorithm, signing, verifying: createPublicKey(signing) };
}

function epochSeconds(date: Date): number {
  return Math.floor(date.getTime() / 1000);
}
