import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign, verify } from "node:crypto";
import { z } from "zod";
import { associatedData } from "../../platform/vault/associated-data.ts";

// PKCS #8 (RFC 8410) around a seed of 32 bytes.
const pkcs8Prefix = Buffer.from("302e020100300506032b657004220420", "hex");

/** What the hash of the first record is chained to. */
export const noRecordHash: Buffer = Buffer.alloc(32);

/** The end of a chain at one moment. */
export interface ChainHead {
  readonly tenant: string;
  readonly chain: number;
  readonly sequence: bigint;
  /** Hex. */
  readonly hash: string;
}

/** A record of heads as stored and exported. */
export interface SignedHeads {
  readonly number: bigint;
  readonly signedAt: Date;
  /** As `formatHeads` writes them. */
  readonly heads: string;
  readonly previousHash: Uint8Array;
  readonly signature: Uint8Array;
}

/** The key pair of a seed of 32 bytes: Ed25519, so that whoever keeps the records needs no secret to check them. */
export function headKeys(seed: Uint8Array): { readonly privateKey: KeyObject; readonly publicKey: KeyObject } {
  const der = Buffer.concat([pkcs8Prefix, seed]);
  const privateKey = createPrivateKey({ key: der, format: "der", type: "pkcs8" });
  der.fill(0);
  return { privateKey, publicKey: createPublicKey(privateKey) };
}

/** Heads as text, in the order given. */
export function formatHeads(heads: readonly ChainHead[]): string {
  return JSON.stringify(heads.map((head) => [head.tenant, head.chain, head.sequence.toString(), head.hash]));
}

const headsShape = z.array(
  z.tuple([z.string(), z.number().int().min(0), z.string().regex(/^\d{1,19}$/), z.string().regex(/^[0-9a-f]{64}$/)]),
);

/** Reads what `formatHeads` wrote; undefined for anything else. */
export function parseHeads(text: string): ChainHead[] | undefined {
  try {
    const heads = headsShape.parse(JSON.parse(text));
    return heads.map(([tenant, chain, sequence, hash]) => ({ tenant, chain, sequence: BigInt(sequence), hash }));
  } catch {
    return undefined;
  }
}

/** Signs a record under the private key of `headKeys`. */
export function signHeads(privateKey: KeyObject, record: Omit<SignedHeads, "signature">): Buffer {
  return sign(null, contentOf(record), privateKey);
}

/** Whether a record is signed by this key. */
export function isSignedBy(publicKey: KeyObject, record: SignedHeads): boolean {
  return verify(null, contentOf(record), publicKey, record.signature);
}

/** The hash by which the next record names this one. */
export function recordHash(record: SignedHeads): Buffer {
  return createHash("sha256").update(contentOf(record)).update(record.signature).digest();
}

function contentOf(record: Omit<SignedHeads, "signature">): Buffer {
  return associatedData({
    use: "audit heads",
    number: record.number.toString(),
    signedAt: record.signedAt.toISOString(),
    heads: record.heads,
    previousHash: Buffer.from(record.previousHash).toString("hex"),
  });
}
