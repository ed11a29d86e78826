import { join } from "node:path";
import { create, type DescMethodUnary, type MessageInitShape } from "@bufbuild/protobuf";
import { Client, credentials, Metadata } from "@grpc/grpc-js";
import { expect, it } from "vitest";
import { Registry } from "../../../gen/es/paymesh/registry/v1/registry_pb.js";
import { methodDefinition } from "../../platform/rpc/grpc-server.ts";
import { setUp } from "../../platform/testing/set-up.ts";
import { loadMeshTls } from "../../platform/tls/load-mesh-tls.ts";
import { createRegistryWorld, type RegistryWorld, testOperatorKey } from "../testing/registry-world.ts";

let world: RegistryWorld;
let client: Client;

setUp(async () => {
  world = await createRegistryWorld();
  const replica = await world.startReplica();
  const tls = await loadMeshTls({
    certFile: join(world.certificates, "gateway.pem"),
    keyFile: join(world.certificates, "gateway.key"),
    caFile: join(world.certificates, "ca.pem"),
  });
  client = new Client(`127.0.0.1:${replica.port}`, credentials.createSsl(tls.ca, tls.key, tls.cert));
  return async () => {
    client.close();
    await world.close();
  };
});

/** The status that the gateway is told to answer with; 200 where none is named. */
function httpStatusOf<M extends DescMethodUnary>(method: M, request: MessageInitShape<M["input"]>): Promise<number> {
  const { path, requestSerialize, responseDeserialize } = methodDefinition(method);
  const metadata = new Metadata();
  metadata.set("x-admin-key", testOperatorKey);
  return new Promise((resolve, reject) => {
    let status = 200;
    client
      .makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        create(method.input, request),
        metadata,
        (error) => (error ? reject(error) : resolve(status)),
      )
      .on("metadata", (headers) => {
        status = Number(headers.get("x-http-status")[0] ?? 200);
      });
  });
}

const bank = { bsimId: "b1", name: "B", apiBaseUrl: "http://127.0.0.1:1", authServerUrl: "http://127.0.0.1:1" };
const client1 = { clientId: "c1", name: "C", redirectUris: ["http://127.0.0.1/cb"], scopes: ["openid"] };

it("answers 201 to what is new and 200 to what was there", async () => {
  expect(await httpStatusOf(Registry.method.registerBank, bank)).toBe(201);
  expect(await httpStatusOf(Registry.method.registerBank, { ...bank, name: "Renamed" })).toBe(200);
  expect(await httpStatusOf(Registry.method.registerBank, { ...bank, name: "Renamed" })).toBe(200);
  expect(await httpStatusOf(Registry.method.putMerchant, { merchantId: "m1", name: "M" })).toBe(201);
  expect(await httpStatusOf(Registry.method.putMerchant, { merchantId: "m1", name: "M" })).toBe(200);
  expect(await httpStatusOf(Registry.method.putOauthClient, client1)).toBe(201);
  expect(await httpStatusOf(Registry.method.putOauthClient, client1)).toBe(200);
});
