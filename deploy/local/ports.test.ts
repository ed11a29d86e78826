import { expect, it } from "vitest";
import { defaultPorts, PortError, resolvePorts } from "./ports.ts";

it("takes the usual numbers, then the environment's, then the arguments'", () => {
  expect(resolvePorts({}, [])).toEqual(defaultPorts);
  const ports = resolvePorts({ PAYMESH_PORT_NORTH_BANK: "9401", PAYMESH_PORT_SHOP: "9200" }, ["shop=9300"]);
  expect(ports).toEqual({ ...defaultPorts, "north-bank": 9401, shop: 9300 });
});

it("refuses unknown names, numbers out of range and one number for two", () => {
  for (const argument of [
    "nothing=1",
    "shop=0",
    "shop=65536",
    "shop=",
    "shop",
    "shop=1e3",
    "shop=8080",
    "toString=1",
  ]) {
    expect(() => resolvePorts({}, [argument]), argument).toThrow(PortError);
  }
});
