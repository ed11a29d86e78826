import { X509Certificate } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { connect, createServer, type TLSSocket } from "node:tls";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ManualClock } from "../time/manual-clock.ts";
import { ensureAuthority } from "./authority.ts";
import { loadMeshTls, type MeshTls, serviceOfPeer } from "./load-mesh-tls.ts";

const dayMs = 86_400_000;
let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), "paymesh-tls-"));
});
afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

describe("ensureAuthority", () => {
  it("names each service by URI and gives the address names of the local world", async () => {
    await ensureAuthority({ directory, services: ["router"] });
    const certificate = new X509Certificate(await read("router.pem"));
    expect(serviceOfPeer(certificate.subjectAltName)).toBe("router");
    expect(certificate.checkIP("127.0.0.1")).toBe("127.0.0.1");
    expect(certificate.checkHost("localhost")).toBe("localhost");
    expect(certificate.checkHost("router")).toBe("router");
    expect(certificate.checkHost("wallet")).toBeUndefined();
    expect(certificate.ca).toBe(false);
  });

  it("keeps private keys readable by their owner alone", async () => {
    await ensureAuthority({ directory, services: ["router"] });
    for (const file of ["router.key", "authority.pem"]) {
      expect((await stat(path.join(directory, file))).mode & 0o777).toBe(0o600);
    }
  });

  it("changes nothing when called again, and adds only the new service", async () => {
    await ensureAuthority({ directory, services: ["router"] });
    const before = await contents(["ca.pem", "authority.pem", "router.pem", "router.key"]);
    await ensureAuthority({ directory, services: ["router", "gateway"] });
    expect(await contents(["ca.pem", "authority.pem", "router.pem", "router.key"])).toEqual(before);
    expect(await readdir(directory)).toContain("gateway.pem");
  });

  it("renews a certificate that ends within 30 days, under the same authority", async () => {
    const clock = new ManualClock(new Date("2026-01-01T00:00:00Z"));
    await ensureAuthority({ directory, services: ["router"], clock });
    const before = await contents(["ca.pem", "router.pem"]);
    clock.advance(334 * dayMs);
    await ensureAuthority({ directory, services: ["router"], clock });
    expect(await contents(["ca.pem", "router.pem"])).toEqual(before);
    clock.advance(2 * dayMs);
    await ensureAuthority({ directory, services: ["router"], clock });
    const [ca, router] = await contents(["ca.pem", "router.pem"]);
    expect(ca).toBe(before[0]);
    expect(router).not.toBe(before[1]);
  });

  it("makes a cut-off certificate, a foreign key and certificates of a lost authority anew", async () => {
    await ensureAuthority({ directory, services: ["router", "wallet"] });
    await writeFile(path.join(directory, "router.pem"), (await read("router.pem")).slice(0, 200));
    await writeFile(path.join(directory, "wallet.key"), await read("router.key"));
    await ensureAuthority({ directory, services: ["router", "wallet"] });
    await expectSound("router");
    await expectSound("wallet");
    await rm(path.join(directory, "authority.pem"));
    await ensureAuthority({ directory, services: ["router", "wallet"] });
    await expectSound("router");
  });

  it("agrees on one authority when several processes start at once", async () => {
    await Promise.all(["router", "wallet", "registry"].map((name) => ensureAuthority({ directory, services: [name] })));
    for (const name of ["router", "wallet", "registry"]) await expectSound(name);
    expect((await readdir(directory)).filter((file) => file.split(".").length > 2)).toEqual([]);
  });

  it("refuses names that would leave the directory or overwrite the authority", async () => {
    for (const name of ["../router", "", "Router", "ca", "authority"]) {
      await expect(ensureAuthority({ directory, services: [name] })).rejects.toThrow(RangeError);
    }
  });
});

describe("a connection between two services", () => {
  it("is mutually authenticated, and a certificate of another authority is refused", async () => {
    await ensureAuthority({ directory, services: ["router", "wallet"] });
    const foreign = path.join(directory, "foreign");
    await ensureAuthority({ directory: foreign, services: ["wallet"] });
    const server = await load(directory, "router");
    expect(await peerSeenByServer(server, await load(directory, "wallet"))).toBe("wallet");
    const stranger = { ...(await load(foreign, "wallet")), ca: server.ca };
    await expect(peerSeenByServer(server, stranger)).rejects.toThrow();
  });
});

describe("loadMeshTls", () => {
  it("names the file that is missing or no PEM", async () => {
    await ensureAuthority({ directory, services: ["router"] });
    await expect(load(directory, "nobody")).rejects.toThrow(/cannot read .*nobody/);
    await writeFile(path.join(directory, "router.key"), "");
    await expect(load(directory, "router")).rejects.toThrow(/router\.key holds no PEM/);
  });

  it("refuses a certificate that has ended", async () => {
    const clock = new ManualClock(new Date(Date.now() - 400 * dayMs));
    await ensureAuthority({ directory, services: ["router"], clock });
    await expect(load(directory, "router")).rejects.toThrow(/ended/);
  });
});

describe("serviceOfPeer", () => {
  it("reads exactly one mesh name and nothing that only looks like it", () => {
    expect(serviceOfPeer("URI:spiffe://paymesh/gateway, DNS:gateway")).toBe("gateway");
    expect(serviceOfPeer("URI:spiffe://paymesh/gateway, URI:spiffe://paymesh/router")).toBeUndefined();
    expect(serviceOfPeer("URI:spiffe://other/gateway")).toBeUndefined();
    expect(serviceOfPeer('DNS:"x, URI:spiffe://paymesh/router"')).toBeUndefined();
    expect(serviceOfPeer(undefined)).toBeUndefined();
  });
});

async function load(from: string, service: string): Promise<MeshTls> {
  return await loadMeshTls({
    certFile: path.join(from, `${service}.pem`),
    keyFile: path.join(from, `${service}.key`),
    caFile: path.join(from, "ca.pem"),
  });
}

async function expectSound(service: string): Promise<void> {
  const certificate = new X509Certificate(await read(`${service}.pem`));
  const { createPrivateKey } = await import("node:crypto");
  expect(certificate.verify(new X509Certificate(await read("ca.pem")).publicKey)).toBe(true);
  expect(certificate.checkPrivateKey(createPrivateKey(await read(`${service}.key`)))).toBe(true);
}

async function peerSeenByServer(server: MeshTls, client: MeshTls): Promise<string | undefined> {
  const listener = createServer({ ...server, requestCert: true, rejectUnauthorized: true, minVersion: "TLSv1.3" });
  try {
    return await new Promise<string | undefined>((resolve, reject) => {
      listener.once("tlsClientError", reject);
      listener.once("secureConnection", (socket: TLSSocket) => {
        resolve(serviceOfPeer(socket.getPeerCertificate().subjectaltname));
        socket.destroy();
      });
      listener.listen(0, "127.0.0.1", () => {
        const address = listener.address();
        const port = address !== null && typeof address === "object" ? address.port : 0;
        connect({ ...client, host: "127.0.0.1", port, servername: "router" }).on("error", () => undefined);
      });
    });
  } finally {
    listener.close();
  }
}

async function read(file: string): Promise<string> {
  return await readFile(path.join(directory, file), "utf8");
}

async function contents(files: string[]): Promise<string[]> {
  return await Promise.all(files.map(read));
}
