import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject, randomBytes } from "node:crypto";

/*
 * A sealed record is: version (1 byte, 0x01) | length of the key id (1 byte) | key id (ASCII) | nonce (12 bytes) |
 * ciphertext | tag (16 bytes). Everything before the ciphertext is authenticated together with the caller's associated
 * data, so neither the version nor the key id can be exchanged. AES-256-GCM, NIST SP 800-38D, random 96-bit nonces.
 */
const formatVersion = 1;
const nonceBytes = 12;
const noncesPerDraw = 256;
const tagBytes = 16;
const keyBytes = 32;
const keyIdPattern = /^[A-Za-z0-9._-]{1,64}$/;
const plaintextBytesMax = 1024 * 1024;
const algorithm = "aes-256-gcm";

/** Why a record did not open. `unknown_key`: sealed under a key this box does not hold. `rejected`: not authentic. */
export type OpenFailure = "malformed" | "unknown_key" | "rejected";

/** Thrown by `open`; carries no part of the record, the key or the plaintext. */
export class SealedRecordError extends Error {
  override readonly name = "SealedRecordError";
  readonly failure: OpenFailure;
  constructor(failure: OpenFailure) {
    super(`a sealed record does not open: ${failure}`);
    this.failure = failure;
  }
}

/** What came of work that opens a sealed record: its value, or why the record does not open. Other errors go through. */
export async function valueOrFailure<T>(
  work: Promise<T>,
): Promise<{ readonly value: T } | { readonly failure: OpenFailure }> {
  try {
    return { value: await work };
  } catch (error) {
    if (!(error instanceof SealedRecordError)) throw error;
    return { failure: error.failure };
  }
}

/** Seals small secrets under named keys. Associated data must name the row: a record opens only where it was sealed for. */
export interface SealedBox {
  readonly currentKeyId: string;
  /** Seals under the current key. Text is taken as UTF-8. Throws a RangeError above 1 MiB. */
  seal(plaintext: string | Uint8Array, associatedData: string | Uint8Array): Buffer;
  /** Opens a record sealed under any key of the box. Throws `SealedRecordError`. */
  open(record: Uint8Array, associatedData: string | Uint8Array): Buffer;
  /** Lets go of the keys, whose memory the runtime overwrites when it collects them. Using the box afterwards throws an Error. */
  wipe(): void;
}

/** Options of `createSealedBox`. */
export interface SealedBoxOptions {
  /** 32 bytes a key; ids are 1 to 64 of `A-Za-z0-9._-`. Keep retired keys here until nothing is sealed under them. */
  readonly keys: ReadonlyMap<string, Uint8Array>;
  /** The key new records are sealed under. */
  readonly currentKeyId: string;
}

/** Makes a box, checking every key once; throws a RangeError for one that is not 32 bytes, ill-named or missing. */
export function createSealedBox(options: SealedBoxOptions): SealedBox {
  // Key objects: from bytes Node makes one for every call, and finds out by two exceptions that they were none.
  const keys = new Map<string, KeyObject>();
  for (const [keyId, key] of options.keys) {
    if (!keyIdPattern.test(keyId)) throw new RangeError("a key id has 1 to 64 characters of A-Za-z0-9._-");
    if (key.length !== keyBytes) throw new RangeError(`key ${keyId} has ${key.length} bytes, not ${keyBytes}`);
    // Copied, so that a caller who wipes his buffer afterwards does not change the box.
    keys.set(keyId, createSecretKey(key));
  }
  let current = keys.get(options.currentKeyId);
  if (current === undefined) throw new RangeError(`the current key ${options.currentKeyId} is not among the keys`);
  const { currentKeyId } = options;
  const header = headerOf(currentKeyId);
  const wiped = () => new Error("a sealed box was used after its keys were wiped");
  return Object.freeze({
    currentKeyId,
    seal: (plaintext: string | Uint8Array, associatedData: string | Uint8Array) => {
      if (current === undefined) throw wiped();
      return sealWith({ key: current, header, plaintext: bytes(plaintext), associatedData });
    },
    open: (record: Uint8Array, associatedData: string | Uint8Array) => {
      if (current === undefined) throw wiped();
      const parts = parseRecord(record);
      const key = keys.get(parts.keyId);
      if (key === undefined) throw new SealedRecordError(keyIdPattern.test(parts.keyId) ? "unknown_key" : "malformed");
      return openWith({ key, parts, associatedData });
    },
    wipe: () => {
      current = undefined;
      keys.clear();
    },
  });
}

/** The key id a record names, without opening it; for counting what a rotation has left. Throws `SealedRecordError`. */
export function keyIdOfRecord(record: Uint8Array): string {
  const { keyId } = parseRecord(record);
  if (!keyIdPattern.test(keyId)) throw new SealedRecordError("malformed");
  return keyId;
}

interface RecordParts {
  readonly header: Buffer;
  /** Not yet known to be well-formed. */
  readonly keyId: string;
  readonly nonce: Buffer;
  readonly ciphertext: Buffer;
  readonly tag: Buffer;
}

function headerOf(keyId: string): Buffer {
  return Buffer.concat([Buffer.from([formatVersion, keyId.length]), Buffer.from(keyId, "ascii")]);
}

function sealWith(work: {
  key: KeyObject;
  header: Buffer;
  plaintext: Buffer;
  associatedData: string | Uint8Array;
}): Buffer {
  const { key, header, plaintext } = work;
  if (plaintext.length > plaintextBytesMax) throw new RangeError("a secret to seal is larger than 1 MiB");
  const nonce = freshNonce();
  const cipher = createCipheriv(algorithm, key, nonce);
  cipher.setAAD(authenticated(header, work.associatedData));
  return Buffer.concat([header, nonce, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
}

// Drawn from the system a few hundred at a time, which costs a tenth; every byte is handed out once.
let nonces = Buffer.alloc(0);
function freshNonce(): Buffer {
  if (nonces.length < nonceBytes) nonces = randomBytes(nonceBytes * noncesPerDraw);
  const nonce = nonces.subarray(0, nonceBytes);
  nonces = nonces.subarray(nonceBytes);
  return nonce;
}

function openWith(work: { key: KeyObject; parts: RecordParts; associatedData: string | Uint8Array }): Buffer {
  const { header, nonce, ciphertext, tag } = work.parts;
  // The tag is all of its sixteen bytes: it was cut from the record by that number.
  const decipher = createDecipheriv(algorithm, work.key, nonce);
  decipher.setAAD(authenticated(header, work.associatedData));
  decipher.setAuthTag(tag);
  try {
    const opened = decipher.update(ciphertext);
    // GCM is a stream mode: all bytes came above, and the tag is checked here, before any of them is given out.
    decipher.final();
    return opened;
  } catch {
    // The cause is always the failed tag; passing it on would only tempt someone to tell cases apart.
    throw new SealedRecordError("rejected");
  }
}

function parseRecord(given: Uint8Array): RecordParts {
  const record = bytes(given);
  const headerBytes = 2 + (record[1] ?? 0);
  if (record[0] !== formatVersion || record.length < headerBytes + nonceBytes + tagBytes) {
    throw new SealedRecordError("malformed");
  }
  const header = record.subarray(0, headerBytes);
  const keyId = header.toString("latin1", 2);
  return {
    header,
    keyId,
    nonce: record.subarray(headerBytes, headerBytes + nonceBytes),
    ciphertext: record.subarray(headerBytes + nonceBytes, record.length - tagBytes),
    tag: record.subarray(record.length - tagBytes),
  };
}

// The header says its own length, so header and associated data cannot be shifted into each other.
function authenticated(header: Buffer, associatedData: string | Uint8Array): Buffer {
  // A header is ASCII, so before a text it can be text itself.
  if (typeof associatedData === "string") return Buffer.from(header.toString("latin1") + associatedData, "utf8");
  return Buffer.concat([header, associatedData]);
}

function bytes(value: string | Uint8Array): Buffer {
  if (Buffer.isBuffer(value)) return value;
  if (typeof value === "string") return Buffer.from(value, "utf8");
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
}
