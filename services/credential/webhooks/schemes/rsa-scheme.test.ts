import { generateKeyPairSync } from "node:crypto";
import { expect, it } from "vitest";
import { pemOf } from "../testing/scheme-kits.ts";
import { createRsaScheme } from "./rsa-scheme.ts";

it("is not made with a short key or one of another kind", () => {
  const others = [
    generateKeyPairSync("rsa", { modulusLength: 1024 }).publicKey,
    generateKeyPairSync("ec", { namedCurve: "P-256" }).publicKey,
  ];
  for (const key of others) {
    expect(() => createRsaScheme({ header: "x-sig", publicKeys: [pemOf(key)] })).toThrow(RangeError);
  }
  expect(() => createRsaScheme({ header: "x-sig", publicKeys: [] })).toThrow(RangeError);
});
