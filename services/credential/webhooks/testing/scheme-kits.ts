import { createHash, createHmac, generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto";
import { SignJWT } from "jose";
import { Webhook } from "standardwebhooks";
import { tlSignature } from "../../../sandbox/truelayer/domain/tl-signature.ts";
import { createEcdsaScheme } from "../schemes/ecdsa-scheme.ts";
import { createHmacScheme } from "../schemes/hmac-scheme.ts";
import { createPlaidScheme } from "../schemes/plaid-scheme.ts";
import { createRsaScheme } from "../schemes/rsa-scheme.ts";
import type { WebhookScheme } from "../schemes/scheme.ts";
import { createStandardWebhooksScheme } from "../schemes/standard-webhooks-scheme.ts";
import { createTruelayerScheme } from "../schemes/truelayer-scheme.ts";

/** Where webhooks of the tests are sent. */
export const webhookPath = "/api/connectors/test/webhook";
export const testKeySource = "https://webhooks.truelayer-sandbox.com/.well-known/jwks";

type Signed = Record<string, string>;

/** A scheme with the other side of it: what a provider does to sign. */
export interface SchemeKit {
  readonly name: string;
  readonly scheme: WebhookScheme;
  /** The headers of these bytes, signed at this time. */
  sign(body: Buffer, at: Date): Promise<Signed>;
  /** The same with a key the provider does not have. */
  forge(body: Buffer, at: Date): Promise<Signed>;
}

/** A time in the body, as Wise writes it, for schemes that sign no other. */
export const bodyClock = {
  signedAt: (body: Buffer) => new Date(/"sent_at":\s*"([^"]+)"/.exec(body.toString("latin1"))?.[1] ?? ""),
  withinMs: 300_000,
};

/** One kit of each scheme, keys made anew. */
export function schemeKits(): SchemeKit[] {
  return [hmacKit(), rsaKit(), ecdsaKit("der"), ecdsaKit("ieee-p1363"), standardKit(), plaidKit(), truelayerKit()];
}

/** Public half in PEM. */
export function pemOf(key: KeyObject): string {
  return key.export({ format: "pem", type: "spki" }).toString();
}

function hmacKit(): SchemeKit {
  const [secret, other] = [randomBytes(24).toString("hex"), randomBytes(24).toString("hex")];
  const signer = (key: string) => async (body: Buffer) => ({
    "x-signature": createHmac("sha256", key).update(body).digest("hex"),
  });
  const scheme = createHmacScheme({ header: "x-signature", secrets: [secret], clock: bodyClock });
  return { name: "HMAC-SHA256", scheme, sign: signer(secret), forge: signer(other) };
}

function rsaKit(): SchemeKit {
  const [own, other] = [generateKeyPairSync("rsa", rsaOptions), generateKeyPairSync("rsa", rsaOptions)];
  const signer = (key: KeyObject) => async (body: Buffer) => ({
    "x-signature-sha256": sign("sha256", body, key).toString("base64"),
  });
  const publicKeys = [pemOf(own.publicKey)];
  const scheme = createRsaScheme({ header: "x-signature-sha256", publicKeys, clock: bodyClock });
  return { name: "RSA-SHA256", scheme, sign: signer(own.privateKey), forge: signer(other.privateKey) };
}

const rsaOptions = { modulusLength: 2048 };

function ecdsaKit(form: "der" | "ieee-p1363"): SchemeKit {
  const [own, other] = [generateKeyPairSync("ec", p256), generateKeyPairSync("ec", p256)];
  const signer = (key: KeyObject) => async (body: Buffer, at: Date) => {
    const timestamp = String(at.getTime());
    const signed = Buffer.concat([body, Buffer.from(`.${timestamp}`)]);
    return {
      "x-mastercard-signature": sign("sha256", signed, { key, dsaEncoding: form }).toString("hex"),
      "x-mastercard-signature-timestamp": timestamp,
      "x-mastercard-signature-algorithm": "SHA256withECDSA",
    };
  };
  const scheme = createEcdsaScheme({
    signatureHeader: "x-mastercard-signature",
    timestampHeader: "x-mastercard-signature-timestamp",
    algorithmHeader: "x-mastercard-signature-algorithm",
    publicKeys: [pemOf(own.publicKey)],
    form,
    encoding: "hex",
  });
  return { name: `ECDSA ${form}`, scheme, sign: signer(own.privateKey), forge: signer(other.privateKey) };
}

const p256 = { namedCurve: "P-256" };

function standardKit(): SchemeKit {
  const secretOf = () => `whsec_${randomBytes(24).toString("base64")}`;
  const [secret, other] = [secretOf(), secretOf()];
  const signer = (key: string) => async (body: Buffer, at: Date) => {
    const id = "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W";
    return {
      "webhook-id": id,
      "webhook-timestamp": String(Math.floor(at.getTime() / 1000)),
      "webhook-signature": `v1,${randomBytes(32).toString("base64")} ${new Webhook(key).sign(id, at, body)}`,
    };
  };
  const scheme = createStandardWebhooksScheme({ secrets: [secret] });
  return { name: "Standard Webhooks", scheme, sign: signer(secret), forge: signer(other) };
}

function plaidKit(): SchemeKit {
  const [own, other] = [generateKeyPairSync("ec", p256), generateKeyPairSync("ec", p256)];
  const kid = "6c5516e1-92dc-479e-a8ff-5a51992e0001";
  const { x = "", y = "" } = own.publicKey.export({ format: "jwk" });
  const scheme = createPlaidScheme({
    fetchKey: async (asked) => (asked === kid ? { kid, x, y, isExpired: false } : undefined),
  });
  const signer = (key: KeyObject) => async (body: Buffer, at: Date) => ({
    "plaid-verification": await plaidToken({ body, at, key, kid }),
  });
  return { name: "Plaid-Verification", scheme, sign: signer(own.privateKey), forge: signer(other.privateKey) };
}

/** The JWT Plaid sends. */
export function plaidToken(facts: { body: Buffer; at: Date; key: KeyObject; kid: string }): Promise<string> {
  return new SignJWT({ request_body_sha256: createHash("sha256").update(facts.body).digest("hex") })
    .setIssuedAt(Math.floor(facts.at.getTime() / 1000))
    .setProtectedHeader({ alg: "ES256", kid: facts.kid, typ: "JWT" })
    .sign(facts.key);
}

function truelayerKit(): SchemeKit {
  const [own, other] = [generateKeyPairSync("ec", p521), generateKeyPairSync("ec", p521)];
  const keys = [{ ...own.publicKey.export({ format: "jwk" }), kid: "k1", alg: "ES512", use: "sig" }];
  const scheme = createTruelayerScheme({
    keySources: [testKeySource],
    fetchKeySet: async () => JSON.stringify({ keys }),
  });
  const signer = (key: KeyObject) => async (body: Buffer, at: Date) =>
    truelayerHeaders({ body, at, key, kid: "k1", jku: testKeySource });
  return { name: "Tl-Signature", scheme, sign: signer(own.privateKey), forge: signer(other.privateKey) };
}

export const p521 = { namedCurve: "P-521" };

/** The headers TrueLayer sends, as its stand-in makes them. */
export function truelayerHeaders(facts: {
  body: Buffer;
  at: Date;
  key: KeyObject;
  kid: string;
  jku: string;
  signedHeaders?: readonly string[];
}): Signed {
  const timestamp = facts.at.toISOString();
  const names = facts.signedHeaders ?? ["X-Tl-Webhook-Timestamp"];
  const signature = tlSignature(
    { path: webhookPath, headers: names.map((name) => [name, timestamp]), body: facts.body.toString("utf8") },
    { kid: facts.kid, jku: facts.jku, privateKey: facts.key },
  );
  return { "tl-signature": signature, "x-tl-webhook-timestamp": timestamp };
}
