import { createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { Client, credentials, loadPackageDefinition, type ServiceClientConstructor } from "@grpc/grpc-js";
import { fromJSON } from "@grpc/proto-loader";
import { beforeAll, describe, expect, it } from "vitest";
import { demoWorld } from "../deploy/local/world.ts";
import { Credential } from "../gen/es/paymesh/credential/v1/credential_pb.js";
import { Registry } from "../gen/es/paymesh/registry/v1/registry_pb.js";
import { Router } from "../gen/es/paymesh/router/v1/router_pb.js";
import { call } from "./harness/call.ts";
import { sharedMesh } from "./harness/shared-mesh.ts";

let gateway: string;

beforeAll(() => {
  gateway = sharedMesh().urls.gateway;
});

const transports = [
  { name: "gRPC", open: (baseUrl: string) => createGrpcTransport({ baseUrl }) },
  { name: "gRPC-Web", open: (baseUrl: string) => createGrpcWebTransport({ baseUrl, httpVersion: "1.1" as const }) },
  {
    name: "Connect with JSON",
    open: (baseUrl: string) => createConnectTransport({ baseUrl, httpVersion: "1.1" as const, useBinaryFormat: false }),
  },
  {
    name: "Connect in binary over HTTP/2",
    open: (baseUrl: string) => createConnectTransport({ baseUrl, httpVersion: "2" as const, useBinaryFormat: true }),
  },
];

describe.each(transports)("$name", ({ open }) => {
  it("reaches an open method", async () => {
    const health = await createClient(Router, open(gateway)).getHealth({});
    expect(health).toMatchObject({ status: "healthy", service: "nsim" });
  });

  it("carries a merchant's key, and refuses a call without it", async () => {
    const client = createClient(Router, open(gateway));
    const headers = { "x-api-key": demoWorld.merchantKey };
    const { payments } = await client.listPayments({}, { headers });
    expect(Array.isArray(payments)).toBe(true);
    await expect(client.listPayments({})).rejects.toMatchObject({ code: 16 });
  });

  it("gives errors the code and word REST gives", async () => {
    const client = createClient(Registry, open(gateway));
    const headers = { "x-admin-key": demoWorld.operatorKey };
    const failure: unknown = await client.getBank({ id: "no-such-bank" }, { headers }).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: 5 });
    expect((failure as { metadata: Headers }).metadata.get("x-error-code")).toBe("bank_not_found");
  });

  it("does not reach a method between services", async () => {
    const client = createClient(Credential, open(gateway));
    const owner = { tenant: "wallet", userId: "u1" };
    await expect(client.listConnections({ owner })).rejects.toMatchObject({ code: 12 });
  });
});

interface ReflectionStream {
  on(event: "data", listener: (answer: { listServicesResponse?: { service: { name: string }[] } }) => void): void;
  on(event: "error", listener: (error: Error) => void): void;
  write(request: { listServices: string }): void;
  end(): void;
}

/** The reflection protocol as a client without our files knows it. */
function listServices(version: "v1" | "v1alpha"): Promise<string[]> {
  const definition = fromJSON(reflectionFile(version) as Parameters<typeof fromJSON>[0]);
  const { grpc } = loadPackageDefinition(definition) as unknown as {
    grpc: { reflection: Record<string, { ServerReflection: ServiceClientConstructor }> };
  };
  const Client = grpc.reflection[version]?.ServerReflection;
  if (Client === undefined) throw new Error("no reflection client");
  const client = new Client(new URL(gateway).host, credentials.createInsecure());
  const stream = (client as unknown as { serverReflectionInfo(): ReflectionStream }).serverReflectionInfo();
  return new Promise<string[]>((resolve, reject) => {
    stream.on("data", (answer) => resolve((answer.listServicesResponse?.service ?? []).map(({ name }) => name)));
    stream.on("error", reject);
    stream.write({ listServices: "" });
    stream.end();
  }).finally(() => client.close());
}

/** The part of grpc/reflection/v1/reflection.proto that listing needs. */
function reflectionFile(version: string): unknown {
  const name = { type: "string", id: 1 };
  return {
    nested: {
      grpc: {
        nested: {
          reflection: {
            nested: {
              [version]: {
                options: { syntax: "proto3" },
                nested: {
                  ServerReflection: {
                    methods: {
                      ServerReflectionInfo: {
                        requestType: "ServerReflectionRequest",
                        requestStream: true,
                        responseType: "ServerReflectionResponse",
                        responseStream: true,
                      },
                    },
                  },
                  ServerReflectionRequest: { fields: { listServices: { type: "string", id: 7 } } },
                  ServerReflectionResponse: {
                    fields: { listServicesResponse: { type: "ListServiceResponse", id: 6 } },
                  },
                  ListServiceResponse: { fields: { service: { rule: "repeated", type: "ServiceResponse", id: 1 } } },
                  ServiceResponse: { fields: { name } },
                },
              },
            },
          },
        },
      },
    },
  };
}

it.each(["v1", "v1alpha"] as const)("names all four services by reflection %s", async (version) => {
  const names = await listServices(version);
  expect(names).toEqual(
    expect.arrayContaining([
      "paymesh.credential.v1.Credential",
      "paymesh.registry.v1.Registry",
      "paymesh.router.v1.Router",
      "paymesh.wallet.v1.Wallet",
    ]),
  );
});

it("answers the standard gRPC health check", async () => {
  const client = new Client(new URL(gateway).host, credentials.createInsecure());
  const answer = await new Promise<Buffer | undefined>((resolve, reject) => {
    const bytes = (buffer: Buffer): Buffer => buffer;
    client.makeUnaryRequest("/grpc.health.v1.Health/Check", bytes, bytes, Buffer.alloc(0), (error, reply) => {
      if (error === null) resolve(reply);
      else reject(error);
    });
  });
  client.close();
  // HealthCheckResponse: field 1, status, is 1 for SERVING.
  expect(answer).toEqual(Buffer.from([0x08, 0x01]));
});

it("answers health by REST for the switch, the wallet and each service's own port", async () => {
  expect((await call("GET", `${gateway}/health`)).body).toMatchObject({ status: "healthy", service: "nsim" });
  expect((await call("GET", `${gateway}/api/health`)).body).toMatchObject({ status: "healthy", service: "wallet" });
  for (const path of ["/health/ready", "/api/health/ready"]) {
    const answer = await call("GET", gateway + path);
    expect({ path, status: answer.status, ready: answer.body["ready"] }).toEqual({ path, status: 200, ready: true });
  }
  for (const admin of Object.values(sharedMesh().urls.admin)) {
    expect((await call("GET", `${admin}/health/live`)).status).toBe(200);
  }
});
