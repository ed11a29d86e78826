import "reflect-metadata";
import { createPrivateKey, X509Certificate as NodeCertificate, randomUUID } from "node:crypto";
import { link, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import type { Clock } from "../time/clock.ts";
import { issueServiceCertificate, type KeyAndCertificate, makeAuthority } from "./certificates.ts";

const dayMs = 86_400_000;
const renewBeforeMs = 30 * dayMs;
const servicesMax = 100;

/** Options of `ensureAuthority`. */
export interface AuthorityOptions {
  /** Made when missing, with mode 700. */
  readonly directory: string;
  /** Names such as `router` or `gateway`; each gets a certificate. */
  readonly services: readonly string[];
  /** The system's time unless told. */
  readonly clock?: Clock;
}

/**
 * Makes sure a local authority and a certificate for each service exist: `ca.pem`, `<service>.pem` and `<service>.key`
 * (mode 600) in `directory`. A certificate carries the URI `spiffe://paymesh/<service>`, the names `<service>` and
 * `localhost`, and the loopback addresses. Safe to call again: what is sound stays byte for byte; what is missing, broken, of another
 * authority or ends within 30 days is made anew. The authority's own key stays in `authority.pem` and is read by nobody else.
 * Throws a RangeError for a name that is not a service's.
 */
export async function ensureAuthority(options: AuthorityOptions): Promise<void> {
  if (options.services.length > servicesMax) throw new RangeError(`at most ${servicesMax} services`);
  for (const name of options.services) {
    if (!/^[a-z][a-z0-9-]{0,62}$/.test(name) || name === "ca" || name === "authority") {
      throw new RangeError(`"${name}" is no service name`);
    }
  }
  const now = options.clock?.now() ?? new Date();
  await mkdir(options.directory, { recursive: true, mode: 0o700 });
  const authority = await loadOrMakeAuthority(options.directory, now);
  await writeWhenDifferent(path.join(options.directory, "ca.pem"), authority.certificate, 0o644);
  for (const service of options.services) await ensureService(options.directory, service, authority, now);
}

async function loadOrMakeAuthority(directory: string, now: Date): Promise<KeyAndCertificate> {
  const file = path.join(directory, "authority.pem");
  const existing = await readBundle(file);
  if (existing !== undefined && isSound(existing, existing.certificate, now)) return existing;
  if (existing !== undefined) await rm(file, { force: true });
  const made = await makeAuthority(now);
  const temporary = `${file}.${randomUUID()}`;
  await writeFile(temporary, made.key + made.certificate, { mode: 0o600, flag: "wx" });
  try {
    // A link never replaces: of two processes that start together one makes the authority and the other takes it.
    await link(temporary, file);
    return made;
  } catch (error) {
    const winner = await readBundle(file);
    if (winner === undefined) throw error;
    return winner;
  } finally {
    await rm(temporary, { force: true });
  }
}

async function ensureService(
  directory: string,
  service: string,
  authority: KeyAndCertificate,
  now: Date,
): Promise<void> {
  const certFile = path.join(directory, `${service}.pem`);
  const keyFile = path.join(directory, `${service}.key`);
  const [certificate, key] = await Promise.all([readText(certFile), readText(keyFile)]);
  const isSame =
    certificate !== undefined && key !== undefined && isSound({ certificate, key }, authority.certificate, now);
  if (isSame) return;
  const made = await issueServiceCertificate({ service, authority, now });
  // A crash between the two leaves a key that does not fit; the next call sees that and makes both again.
  await replaceFile(keyFile, made.key, 0o600);
  await replaceFile(certFile, made.certificate, 0o644);
}

function isSound(pair: KeyAndCertificate, authorityPem: string, now: Date): boolean {
  try {
    const certificate = new NodeCertificate(pair.certificate);
    const authority = new NodeCertificate(authorityPem);
    return (
      certificate.validToDate.getTime() - now.getTime() > renewBeforeMs &&
      certificate.verify(authority.publicKey) &&
      certificate.checkPrivateKey(createPrivateKey(pair.key))
    );
  } catch {
    // Not PEM, cut off, or of an unknown algorithm: made anew like a missing one.
    return false;
  }
}

async function readBundle(file: string): Promise<KeyAndCertificate | undefined> {
  const text = await readText(file);
  if (text === undefined) return undefined;
  const start = text.indexOf("-----BEGIN CERTIFICATE-----");
  return start < 0 ? { key: text, certificate: "" } : { key: text.slice(0, start), certificate: text.slice(start) };
}

async function readText(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}

async function writeWhenDifferent(file: string, text: string, mode: number): Promise<void> {
  if ((await readText(file)) !== text) await replaceFile(file, text, mode);
}

async function replaceFile(file: string, text: string, mode: number): Promise<void> {
  const temporary = `${file}.${randomUUID()}`;
  await writeFile(temporary, text, { mode, flag: "wx" });
  await rename(temporary, file);
}
