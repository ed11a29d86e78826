import { generateKeyPairSync } from "node:crypto";
import { describe, expect, it } from "vitest";
import type { WalletCredential } from "../domain/wallet-credential.ts";
import { type CredentialKey, createCredentialSigner } from "./credential-signer.ts";

const issuer = "https://bank.example/oidc";
const credential: WalletCredential = {
  id: "c1",
  grantId: "g1",
  generation: 1,
  customerId: "u1",
  fiUserRef: "f1",
  walletId: "w1",
  walletName: "Wallet",
  scopes: ["cards:read", "payments:create"],
  cardIds: ["k1", "k2"],
  credentialHash: Buffer.alloc(0),
  issuedAt: new Date("2026-03-01T12:00:00Z"),
  expiresAt: new Date("2026-05-30T12:00:00Z"),
  lastUsedAt: undefined,
  revokedAt: undefined,
};
const pem = (kind: "rsa" | "ed25519" | "ec"): CredentialKey => {
  const made =
    kind === "rsa"
      ? generateKeyPairSync("rsa", { modulusLength: 2048 })
      : kind === "ec"
        ? generateKeyPairSync("ec", { namedCurve: "P-256" })
        : generateKeyPairSync("ed25519");
  return { privateKeyPem: made.privateKey.export({ format: "pem", type: "pkcs8" }).toString() };
};
const keys: [string, CredentialKey][] = [
  ["a secret", { secret: "s".repeat(32) }],
  ["an RSA key", pem("rsa")],
  ["an Ed25519 key", pem("ed25519")],
];

describe("createCredentialSigner", () => {
  it.each(keys)("gives with %s the same text each time, and reads its own back", async (_name, key) => {
    const signer = createCredentialSigner({ key, issuer });
    const text = await signer.sign(credential);
    expect(await signer.sign(credential)).toBe(text);
    expect(await signer.readId(text)).toBe("c1");
  });

  it("reads nothing signed under another key or for another issuer", async () => {
    const [one, other] = keys.map(([, key]) => createCredentialSigner({ key, issuer }));
    const text = (await one?.sign(credential)) ?? "";
    expect(await other?.readId(text)).toBeUndefined();
    const elsewhere = createCredentialSigner({ key: { secret: "s".repeat(32) }, issuer: "https://other.example/oidc" });
    expect(await elsewhere.readId(text)).toBeUndefined();
  });

  it("refuses a key whose signatures differ each time, and a file that holds none", () => {
    expect(() => createCredentialSigner({ key: pem("ec"), issuer })).toThrow("RSA or Ed25519");
    expect(() => createCredentialSigner({ key: { privateKeyPem: "hello" }, issuer })).toThrow("no private key");
  });
});
