import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { findDataFolder, openLocalSecrets } from "./local-secrets.ts";

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

it.each([
  '{"pepper":1}',
  '{"pepper":',
  '{"installation.id":"0123456789abcdef","installation.data-folder":"../../elsewhere"}',
  '{"installation.data-folder":"postgres"}',
])("refuses a file it did not write: %s", (text) => {
  openLocalSecrets(file).of("pepper");
  writeFileSync(file, text);
  expect(() => openLocalSecrets(file)).toThrow(`${file} is damaged: start with --reset`);
  expect(findDataFolder(file)).toBeUndefined();
});

describe("the folder of an installation's data", () => {
  it("is its own from the first start on, so that keys made anew never meet the data of earlier ones", () => {
    const { installation } = openLocalSecrets(file);
    expect(installation).toEqual({
      id: expect.stringMatching(/^[0-9a-f]{16}$/),
      dataFolder: `postgres-${installation.id}`,
    });
    openLocalSecrets(file).of("pepper");
    expect(openLocalSecrets(file).installation).toEqual(installation);
    expect(findDataFolder(file)).toBe(installation.dataFolder);
    rmSync(file);
    expect(findDataFolder(file)).toBeUndefined();
    expect(openLocalSecrets(file).installation.dataFolder).not.toBe(installation.dataFolder);
  });

  it("stays what it was for keys older than the ids, which get one", () => {
    openLocalSecrets(file);
    writeFileSync(file, '{"pepper":"kept"}');
    expect(findDataFolder(file)).toBe("postgres");
    const { installation, of } = openLocalSecrets(file);
    expect(installation.dataFolder).toBe("postgres");
    expect(of("pepper")).toBe("kept");
    expect(openLocalSecrets(file).installation).toEqual(installation);
    expect(readFileSync(file, "utf8")).toContain(installation.id);
  });
});
