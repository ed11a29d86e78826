import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { Credential } from "../../../gen/es/paymesh/credential/v1/credential_pb.js";
import { DomainError } from "../errors/domain-error.ts";
import { genericErrors } from "../errors/error-table.ts";
import { GrpcCode } from "../errors/grpc-code.ts";
import { createLogger } from "../telemetry/logger.ts";
import { ensureAuthority } from "../tls/authority.ts";
import { loadMeshTls, type MeshTls } from "../tls/load-mesh-tls.ts";
import type { CallContext } from "./call-context.ts";
import { createRpcClient, type RpcClient } from "./client.ts";
import { type RpcServer, startRpcServer } from "./grpc-server.ts";
import { type Handlers, implement } from "./service-implementation.ts";

const log = createLogger({ service: "test", level: "silent" });
const directories: string[] = [];
let server: RpcServer;
let seen: CallContext | undefined;

async function authority(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "paymesh-identity-"));
  directories.push(directory);
  await ensureAuthority({ directory, services: ["credential", "wallet", "router", "gateway"] });
  return directory;
}

function tlsOf(directory: string, service: string): Promise<MeshTls> {
  return loadMeshTls({
    certFile: join(directory, `${service}.pem`),
    keyFile: join(directory, `${service}.key`),
    caFile: join(directory, "ca.pem"),
  });
}

const handlers = new Proxy({} as Handlers<typeof Credential>, {
  has: () => true,
  get: () => async (_request: unknown, ctx: CallContext) => {
    seen = ctx;
    return {};
  },
});

let mesh = "";
beforeAll(async () => {
  mesh = await authority();
  server = await startRpcServer({
    service: "credential",
    implementations: [implement(Credential, handlers)],
    authenticators: {
      operator: async (ctx) => {
        if (ctx.header("x-admin-key") === undefined) return undefined;
        if (ctx.header("x-admin-key") !== "right") throw new DomainError("UNAUTHENTICATED");
        return { kind: "operator", name: "ann" };
      },
    },
    errorTable: genericErrors,
    log,
    tls: await tlsOf(mesh, "credential"),
    host: "127.0.0.1",
    grpcPort: 0,
  });
});

afterAll(async () => {
  await server.stop();
  for (const directory of directories) await rm(directory, { recursive: true, force: true });
});

async function clientAs(
  service: string,
  directory = mesh,
  serverName = "credential",
): Promise<RpcClient<typeof Credential>> {
  return createRpcClient(Credential, {
    address: `127.0.0.1:${server.port}`,
    tls: await tlsOf(directory, service),
    serverName,
  });
}

const owner = { tenant: "wallet", userId: "u1" };

it("admits a service the policy names, by its certificate alone", async () => {
  const client = await clientAs("wallet");
  await client.listConnections({ owner });
  expect(seen?.principal).toEqual({ kind: "service", service: "wallet" });
  client.close();
});

it("refuses a service the policy does not name", async () => {
  const client = await clientAs("router");
  await expect(client.listConnections({ owner })).rejects.toMatchObject({ code: GrpcCode.PERMISSION_DENIED });
  client.close();
});

it("does not let a service act as an operator by sending the operator's header", async () => {
  const client = await clientAs("router");
  const headers = { "x-admin-key": "right" };
  await expect(client.listProviderClients({}, { headers })).rejects.toMatchObject({ code: GrpcCode.PERMISSION_DENIED });
  client.close();
});

it("gives the gateway no rights of its own, and believes its word on the client's address", async () => {
  const client = await clientAs("gateway");
  await expect(client.listConnections({ owner })).rejects.toMatchObject({ code: GrpcCode.UNAUTHENTICATED });
  await client.listProviderClients(
    {},
    { headers: { "x-admin-key": "right", "x-forwarded-for": "198.51.100.1, 203.0.113.9" } },
  );
  expect(seen?.principal).toEqual({ kind: "operator", name: "ann" });
  expect(seen?.clientAddress).toBe("203.0.113.9");
  client.close();
});

it("does not believe another service about the client's address", async () => {
  const client = await clientAs("wallet");
  await client.listConnections({ owner }, { headers: { "x-forwarded-for": "203.0.113.9" } });
  expect(seen?.clientAddress).toBe("127.0.0.1");
  client.close();
});

it("refuses a certificate of another authority", async () => {
  const client = await clientAs("wallet", await authority());
  await expect(client.listConnections({ owner }, { timeoutMs: 2_000 })).rejects.toMatchObject({
    code: GrpcCode.UNAVAILABLE,
  });
  client.close();
});

it("does not talk to a server that holds another service's certificate", async () => {
  const client = await clientAs("wallet", mesh, "router");
  await expect(client.listConnections({ owner }, { timeoutMs: 2_000 })).rejects.toMatchObject({
    code: GrpcCode.UNAVAILABLE,
  });
  client.close();
});
