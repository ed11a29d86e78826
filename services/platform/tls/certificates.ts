import "reflect-metadata";
import * as x509 from "@peculiar/x509";

const dayMs = 86_400_000;
const authorityDays = 3650;
const serviceDays = 365;
// A certificate made on a machine whose clock runs a little ahead is still good on its neighbour.
const backdateMs = 5 * 60_000;
const keyAlgorithm = { name: "ECDSA", namedCurve: "P-256" } as const;
const signingAlgorithm = { name: "ECDSA", hash: "SHA-256" } as const;

/** A private key (PKCS #8) and its certificate, both as PEM text that ends with a line break. */
export interface KeyAndCertificate {
  readonly key: string;
  readonly certificate: string;
}

/** Makes a self-signed authority for one installation: P-256, ten years, allowed to sign service certificates only. */
export async function makeAuthority(now: Date): Promise<KeyAndCertificate> {
  const keys = await generateKeys();
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: "CN=paymesh local authority",
    keys,
    notBefore: new Date(now.getTime() - backdateMs),
    notAfter: new Date(now.getTime() + authorityDays * dayMs),
    signingAlgorithm,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey, false),
    ],
  });
  return { key: await exportKey(keys.privateKey), certificate: `${certificate.toString("pem")}\n` };
}

/**
 * Issues a service's certificate: P-256, one year, for both ends of a connection. It names the service as
 * `spiffe://paymesh/<service>` (the identity peers check) and by DNS, with localhost and the loopback addresses.
 */
export async function issueServiceCertificate(request: {
  readonly service: string;
  readonly authority: KeyAndCertificate;
  readonly now: Date;
}): Promise<KeyAndCertificate> {
  const { service, authority, now } = request;
  const keys = await generateKeys();
  const issuer = new x509.X509Certificate(authority.certificate);
  const certificate = await x509.X509CertificateGenerator.create({
    subject: `CN=${service}`,
    issuer: issuer.subject,
    publicKey: keys.publicKey,
    signingKey: await importKey(authority.key),
    notBefore: new Date(now.getTime() - backdateMs),
    notAfter: new Date(now.getTime() + serviceDays * dayMs),
    signingAlgorithm,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth, x509.ExtendedKeyUsage.clientAuth]),
      subjectAlternativeNames(service),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey, false),
      await x509.AuthorityKeyIdentifierExtension.create(issuer.publicKey, false),
    ],
  });
  return { key: await exportKey(keys.privateKey), certificate: `${certificate.toString("pem")}\n` };
}

function subjectAlternativeNames(service: string): x509.SubjectAlternativeNameExtension {
  return new x509.SubjectAlternativeNameExtension([
    { type: "url", value: `spiffe://paymesh/${service}` },
    { type: "dns", value: service },
    { type: "dns", value: "localhost" },
    { type: "ip", value: "127.0.0.1" },
    { type: "ip", value: "::1" },
  ]);
}

async function generateKeys(): Promise<CryptoKeyPair> {
  return await crypto.subtle.generateKey(keyAlgorithm, true, ["sign", "verify"]);
}

async function exportKey(key: CryptoKey): Promise<string> {
  const der = await crypto.subtle.exportKey("pkcs8", key);
  const lines =
    Buffer.from(der)
      .toString("base64")
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN PRIVATE KEY-----\n${lines.join("\n")}\n-----END PRIVATE KEY-----\n`;
}

async function importKey(pem: string): Promise<CryptoKey> {
  const der = Buffer.from(pem.replace(/-----[A-Z ]+-----|\s/g, ""), "base64");
  return await crypto.subtle.importKey("pkcs8", der, keyAlgorithm, false, ["sign"]);
}
