import { randomBytes, type ScryptOptions, scrypt, timingSafeEqual } from "node:crypto";
import { DomainError } from "../errors/domain-error.ts";

/*
 * The stored form is `scrypt$<log2 N>$<r>$<p>$<salt>$<hash>`, salt and hash in base64url: parameters travel with the hash, so
 * they can be raised without touching older rows. N = 2^15, r = 8, p = 3 is one of the equivalent choices of the OWASP
 * password storage cheat sheet; one hash needs 32 MiB and about 0.1 s.
 */
const cost = { logN: 15, blockSize: 8, parallelization: 3 } as const;
const saltBytes = 16;
const hashBytes = 32;
const passwordBytesMax = 1024;
// A stored string is data: a corrupted one must not ask for gigabytes.
const logNMax = 18;
// Two hashes at once keep a burst of sign-ins at 64 MiB and leave the thread pool two of its four threads.
const concurrencyMax = 2;
const queueMax = 256;

/**
 * Hashes a password with scrypt and a fresh salt. Waits its turn behind at most 256 others, else throws `PasswordQueueFull`.
 * Throws a RangeError for an empty password or one over 1024 bytes of UTF-8; callers refuse those before.
 */
export async function hashPassword(text: string): Promise<string> {
  const normalized = normalize(text);
  if (normalized === undefined) throw new RangeError(`a password has 1 to ${passwordBytesMax} bytes`);
  const salt = randomBytes(saltBytes);
  const hash = await limited(() => derive(normalized, salt, cost, hashBytes));
  const { logN, blockSize, parallelization } = cost;
  return ["scrypt", logN, blockSize, parallelization, salt.toString("base64url"), hash.toString("base64url")].join("$");
}

/**
 * Tells whether the password belongs to the stored string, in constant time. A stored string that cannot be read, and a
 * password outside the limits, is false. Throws `PasswordQueueFull` like `hashPassword`.
 */
export async function verifyPassword(text: string, stored: string): Promise<boolean> {
  const parsed = parseStored(stored);
  const normalized = normalize(text);
  if (parsed === undefined || normalized === undefined) return false;
  const hash = await limited(() => derive(normalized, parsed.salt, parsed, parsed.hash.length));
  return timingSafeEqual(hash, parsed.hash);
}

/** Thrown when more passwords wait to be hashed than the process takes on; callers are told `UNAVAILABLE`. */
export class PasswordQueueFull extends DomainError {
  override readonly name = "PasswordQueueFull";
  constructor() {
    super("UNAVAILABLE");
  }
}

interface Cost {
  readonly logN: number;
  readonly blockSize: number;
  readonly parallelization: number;
}

// NFKC as NIST SP 800-63B asks, so that one password typed on two keyboards is one password.
function normalize(text: string): string | undefined {
  const normalized = text.normalize("NFKC");
  const bytes = Buffer.byteLength(normalized);
  return bytes === 0 || bytes > passwordBytesMax ? undefined : normalized;
}

function derive(
  text: string,
  salt: Buffer,
  { logN, blockSize, parallelization }: Cost,
  length: number,
): Promise<Buffer> {
  const N = 2 ** logN;
  const options: ScryptOptions = { N, r: blockSize, p: parallelization, maxmem: 128 * N * blockSize * 2 };
  return new Promise((resolve, reject) => {
    scrypt(text, salt, length, options, (error, key) => (error === null ? resolve(key) : reject(error)));
  });
}

function parseStored(stored: string): (Cost & { salt: Buffer; hash: Buffer }) | undefined {
  const match = /^scrypt\$(\d{1,2})\$(\d{1,2})\$(\d{1,2})\$([\w-]{22,86})\$([\w-]{43,86})$/.exec(stored);
  if (match === null) return undefined;
  const [logN = 0, blockSize = 0, parallelization = 0] = match.slice(1, 4).map((digits) => Number.parseInt(digits, 10));
  if (logN < 10 || logN > logNMax || blockSize < 1 || blockSize > 16 || parallelization < 1 || parallelization > 16) {
    return undefined;
  }
  const salt = Buffer.from(match[4] ?? "", "base64url");
  const hash = Buffer.from(match[5] ?? "", "base64url");
  return { logN, blockSize, parallelization, salt, hash };
}

let running = 0;
const waiting: Array<() => void> = [];

async function limited<T>(work: () => Promise<T>): Promise<T> {
  if (running >= concurrencyMax) {
    if (waiting.length >= queueMax) throw new PasswordQueueFull();
    // The one who finishes hands its place over, so `running` stays as it is.
    await new Promise<void>((resolve) => waiting.push(resolve));
  } else {
    running += 1;
  }
  try {
    return await work();
  } finally {
    const next = waiting.shift();
    if (next === undefined) running -= 1;
    else next();
  }
}
