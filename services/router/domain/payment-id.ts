import { createHmac, createSecretKey } from "node:crypto";

/** Derives ids and request hashes under one key, so that nobody without it can foretell a payment's id. */
export interface PaymentIds {
  /** The id of the payment made under an Idempotency-Key. */
  forKey(merchantId: string, idempotencyKey: string): string;
  /** The id of the given attempt, from 1, at an order whose merchant sends no key. */
  forOrder(merchantId: string, orderId: string, attempt: number): string;
  /** A keyed hash of a request, 32 bytes; it may cover a card token without revealing it. */
  requestHash(parts: readonly HashPart[]): Buffer;
  /** The key under which a refund is recognised when it comes again, 32 bytes. */
  refundKey(parts: readonly HashPart[]): Buffer;
}

/** One ingredient of a hash. */
export type HashPart = string | number | null;

/** Ids by `HMAC-SHA256(secret, JSON array)`: the array keeps ("ab","c") and ("a","bc") apart. */
export function createPaymentIds(secret: string | Uint8Array): PaymentIds {
  const key = createSecretKey(Buffer.from(secret));
  const digest = (parts: readonly HashPart[]): Buffer =>
    createHmac("sha256", key).update(JSON.stringify(parts)).digest();
  return Object.freeze({
    forKey: (merchantId: string, key: string) => uuidV8(digest(["key", merchantId, key])),
    forOrder: (merchantId: string, orderId: string, attempt: number) =>
      uuidV8(digest(["order", merchantId, orderId, attempt])),
    requestHash: (parts: readonly HashPart[]) => digest(["request", ...parts]),
    refundKey: (parts: readonly HashPart[]) => digest(["refund", ...parts]),
  });
}

/** The first 16 bytes of a digest as a UUID of version 8 (RFC 9562, section 5.8). */
function uuidV8(digest: Buffer): string {
  digest.writeUInt8((digest.readUInt8(6) & 0x0f) | 0x80, 6);
  digest.writeUInt8((digest.readUInt8(8) & 0x3f) | 0x80, 8);
  const hex = digest.toString("hex", 0, 16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
