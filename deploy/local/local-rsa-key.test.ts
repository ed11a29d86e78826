import { createPublicKey } from "node:crypto";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, expect, it } from "vitest";
import { openLocalRsaKey } from "./local-rsa-key.ts";

const directory = mkdtempSync(path.join(tmpdir(), "paymesh-rsa-key-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

it("is made once, and its private half kept where only its owner may read", () => {
  const file = path.join(directory, "keys", "one.pem");
  const made = openLocalRsaKey(file);
  expect(createPublicKey(made.publicKey).asymmetricKeyDetails?.modulusLength).toBe(2048);
  expect(openLocalRsaKey(file)).toEqual(made);
  expect(made.publicKey).not.toContain("PRIVATE");
  expect(statSync(file).mode & 0o777).toBe(0o600);
});
