import { X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";

/** What a service needs to prove itself inside the mesh and to check the others: PEM bytes for `node:tls` and Envoy. */
export interface MeshTls {
  /** The service's own certificate. */
  readonly cert: Buffer;
  /** Its private key. */
  readonly key: Buffer;
  /** The authority whose certificates are believed, for servers and clients alike. */
  readonly ca: Buffer;
}

/** Where the three files of a service lie; TLS_CERT_FILE, TLS_KEY_FILE and TLS_CA_FILE of its configuration. */
export interface MeshTlsFiles {
  readonly certFile: string;
  readonly keyFile: string;
  readonly caFile: string;
}

/**
 * Reads a service's certificate, key and authority. Throws an Error naming the file when one is missing, empty or not
 * PEM, and when the certificate has ended: a service that cannot speak to its peers says so at start, not at the first call.
 */
export async function loadMeshTls(files: MeshTlsFiles): Promise<MeshTls> {
  const [cert, key, ca] = await Promise.all([readPem(files.certFile), readPem(files.keyFile), readPem(files.caFile)]);
  const validTo = new X509Certificate(cert).validToDate;
  if (validTo.getTime() <= Date.now()) {
    throw new Error(`the certificate in ${files.certFile} ended ${validTo.toISOString()}`);
  }
  return Object.freeze({ cert, key, ca });
}

/** The service a peer certificate names (`spiffe://paymesh/<service>`), from `subjectaltname` as node:tls prints it. */
export function serviceOfPeer(subjectAltName: string | undefined): string | undefined {
  const names = (subjectAltName ?? "").split(", ").flatMap((entry) => {
    const match = /^URI:spiffe:\/\/paymesh\/([a-z][a-z0-9-]{0,62})$/.exec(entry);
    return match?.[1] === undefined ? [] : [match[1]];
  });
  // Two identities in one certificate would let the holder choose who to be; such a certificate is nobody's.
  return names.length === 1 ? names[0] : undefined;
}

async function readPem(file: string): Promise<Buffer> {
  let content: Buffer;
  try {
    content = await readFile(file);
  } catch (cause) {
    throw new Error(`cannot read ${file}`, { cause });
  }
  if (!content.includes("-----BEGIN ")) throw new Error(`${file} holds no PEM`);
  return content;
}
