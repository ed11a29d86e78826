import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, expect, it } from "vitest";
import { openLocalSecrets } from "./local-secrets.ts";

const directory = mkdtempSync(path.join(tmpdir(), "paymesh-secrets-"));
const file = path.join(directory, "world", "secrets.json");
afterEach(() => rmSync(directory, { recursive: true, force: true }));

it("makes a secret once and keeps it where only its owner may read", () => {
  const first = openLocalSecrets(file);
  const made = first.of("pepper");
  expect(made).toMatch(/^[0-9a-f]{64}$/);
  expect(first.of("pepper")).toBe(made);
  expect(first.of("other")).not.toBe(made);
  expect(openLocalSecrets(file).of("pepper")).toBe(made);
  expect(statSync(file).mode & 0o777).toBe(0o600);
});

it("refuses a file it did not write", () => {
  openLocalSecrets(file).of("pepper");
  writeFileSync(file, '{"pepper":1}');
  expect(() => openLocalSecrets(file)).toThrow("is damaged: start with --reset");
});
