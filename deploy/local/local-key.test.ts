import { createPublicKey } from "node:crypto";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, expect, it } from "vitest";
import { openLocalKey } from "./local-key.ts";

const directory = mkdtempSync(path.join(tmpdir(), "paymesh-local-key-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

it.each([
  ["rsa", { modulusLength: 2048 }],
  ["p256", { namedCurve: "prime256v1" }],
] as const)("is made once, and its private half kept where only its owner may read: %s", (kind, details) => {
  const file = path.join(directory, "keys", `${kind}.pem`);
  const made = openLocalKey(file, kind);
  expect(createPublicKey(made.publicKey).asymmetricKeyDetails).toMatchObject(details);
  expect(openLocalKey(file, kind)).toEqual(made);
  expect(made.publicKey).not.toContain("PRIVATE");
  expect(statSync(file).mode & 0o777).toBe(0o600);
});
