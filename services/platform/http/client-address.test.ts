import "reflect-metadata";
import { once } from "node:events";
import { request } from "node:https";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import * as x509 from "@peculiar/x509";
import { expect, it } from "vitest";
import { type KeyAndCertificate, makeAuthority } from "../tls/certificates.ts";
import { createHttpServer } from "./create-http-server.ts";

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;
const silent = { info: () => {}, warn: () => {}, error: () => {} };

/** A certificate of the authority that names all of these services. */
async function certificateOf(authority: KeyAndCertificate, names: readonly string[]): Promise<KeyAndCertificate> {
  const keys = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const signingKey = x509.PemConverter.decodeFirst(authority.key);
  const certificate = await x509.X509CertificateGenerator.create({
    subject: `CN=${names[0]}`,
    issuer: new x509.X509Certificate(authority.certificate).subject,
    publicKey: keys.publicKey,
    signingKey: await crypto.subtle.importKey("pkcs8", signingKey, algorithm, false, ["sign"]),
    notBefore: new Date(Date.now() - 60_000),
    notAfter: new Date(Date.now() + 3_600_000),
    signingAlgorithm: algorithm,
    extensions: [
      new x509.SubjectAlternativeNameExtension([
        ...names.map((name) => ({ type: "url" as const, value: `spiffe://paymesh/${name}` })),
        { type: "ip", value: "127.0.0.1" },
      ]),
    ],
  });
  const key = x509.PemConverter.encode(await crypto.subtle.exportKey("pkcs8", keys.privateKey), "PRIVATE KEY");
  return { key: `${key}\n`, certificate: certificate.toString("pem") };
}

it("believes the address the gateway wrote, and that of no other service nor of one that claims two names", async () => {
  const authority = await makeAuthority(new Date());
  const ca = authority.certificate;
  const own = await certificateOf(authority, ["wallet"]);
  const tls = { cert: own.certificate, key: own.key, ca };
  const app = createHttpServer({ service: "wallet", errorTable: {}, log: silent, tls });
  app.get("/from", async (incoming) => incoming.clientAddress);
  await app.listen({ host: "127.0.0.1", port: 0 });
  const { port } = app.server.address() as AddressInfo; // it listens on TCP
  const seenBy = async (names: readonly string[]): Promise<string> => {
    const { certificate: cert, key } = await certificateOf(authority, names);
    const headers = { "x-forwarded-for": "9.9.9.9, 203.0.113.7" };
    const sent = request(`https://127.0.0.1:${port}/from`, { ca, cert, key, headers, agent: false }).end();
    const [response] = await once(sent, "response");
    return text(response);
  };
  try {
    expect(await seenBy(["gateway"])).toBe("203.0.113.7");
    expect(await seenBy(["router"])).toBe("127.0.0.1");
    expect(await seenBy(["gateway", "router"])).toBe("127.0.0.1");
  } finally {
    await app.close();
  }
});
