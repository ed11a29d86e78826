import { readFileSync } from "node:fs";
import { clone, fromBinary, toBinary } from "@bufbuild/protobuf";
import { type FileDescriptorSet, FileDescriptorSetSchema, MethodOptionsSchema } from "@bufbuild/protobuf/wkt";
import { expect, it } from "vitest";
import { readContract } from "./contract.ts";
import { containerGatewayOptions } from "./gateway-options.ts";
import { renderBootstrap } from "./render-bootstrap.ts";
import { ignoredQueryParameters } from "./transcoder.ts";

const bytes = readFileSync(new URL("../../gen/descriptors/paymesh.binpb", import.meta.url));
const set = fromBinary(FileDescriptorSetSchema, bytes);

function changed(change: (set: FileDescriptorSet) => void): Uint8Array {
  const copy = clone(FileDescriptorSetSchema, set);
  change(copy);
  return toBinary(FileDescriptorSetSchema, copy);
}

function router(copy: FileDescriptorSet) {
  const file = copy.file.find((each) => each.name === "paymesh/router/v1/router.proto");
  if (file === undefined) throw new Error("no router.proto");
  return file;
}

it("refuses a method without a policy", () => {
  const without = changed((copy) => {
    const method = router(copy).service[0]?.method.find((each) => each.name === "Authorize");
    if (method?.options !== undefined) delete method.options;
  });
  expect(() => readContract(without)).toThrow("paymesh.router.v1.Router/Authorize has no policy");
});

it("refuses a binding the gateway cannot serve", () => {
  const odd = changed((copy) => {
    const service = router(copy).service[0];
    const get = service?.method.find((each) => each.name === "GetPayment");
    // A rule whose body is one field: HttpRule.get = "/x", HttpRule.body = "id", as extension 72295728.
    const rule = Buffer.from([0x12, 0x02, 0x2f, 0x78, 0x3a, 0x02, 0x69, 0x64]);
    const options = get?.options === undefined ? undefined : toBinary(MethodOptionsSchema, get.options);
    if (get === undefined || options === undefined) throw new Error("no GetPayment");
    const tag = Buffer.from([0x82, 0xd3, 0xe4, 0x93, 0x02, rule.length]);
    get.options = fromBinary(MethodOptionsSchema, Buffer.concat([options, tag, rule]));
  });
  expect(() => readContract(odd)).toThrow('body "id" is not served');
});

it("refuses a query parameter that shares its name with a path variable", () => {
  const clash = changed((copy) => {
    const message = router(copy).messageType.find((each) => each.name === "ListPaymentsRequest");
    const field = message?.field.find((each) => each.name === "order_id");
    if (field === undefined) throw new Error("no order_id");
    field.name = "id";
    field.jsonName = "id";
  });
  expect(() => ignoredQueryParameters(readContract(clash))).toThrow('declares query parameter "id"');
});

it("ignores every path variable of body-less routes in both spellings", () => {
  const names = ignoredQueryParameters(readContract(bytes));
  expect(names).toEqual(
    expect.arrayContaining(["id", "key_id", "keyId", "card_id", "cardId", "device_id", "deviceId"]),
  );
});

it("renders no route for a method between services", () => {
  const text = JSON.stringify(renderBootstrap(readContract(bytes), containerGatewayOptions));
  expect(text).toContain("/paymesh.credential.v1.Credential/PutProviderClient");
  expect(text).not.toContain("/paymesh.credential.v1.Credential/BeginConnect");
  expect(text).not.toContain("/paymesh.registry.v1.Registry/WatchRegistry");
});
