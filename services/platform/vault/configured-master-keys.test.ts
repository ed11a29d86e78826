import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { configuredMasterKeys } from "./configured-master-keys.ts";
import type { KeyWrapper } from "./master-key-source.ts";

const [first, second] = ["a".repeat(32), "b".repeat(40)];
const names: string[] = [];
const wrapperOf = (name: string): KeyWrapper => {
  names.push(name);
  const refuse = () => Promise.reject(new Error("not asked in this test"));
  return { generate: refuse, unwrap: refuse };
};
let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "paymesh-master-keys-"));
});
afterAll(() => rm(directory, { recursive: true }));

const read = async (settings: { secret?: string; list?: string; file?: string }) =>
  Object.fromEntries(await configuredMasterKeys({ ...settings, wrapperOf }).read());

it("joins the simple secret, the list and the file", async () => {
  const file = join(directory, "joined");
  await writeFile(file, `# kept by operations\n\n3:aws-kms:arn:aws:kms:eu-west-1:1:key/x\n1:${first}\n`);
  expect(await read({ secret: first, list: `2:${second}`, file })).toEqual({
    1: { kind: "secret", secret: first },
    2: { kind: "secret", secret: second },
    3: { kind: "kept", wrapper: expect.anything() },
  });
  expect(names).toContain("arn:aws:kms:eu-west-1:1:key/x");
});

it("refuses what is malformed, short, given twice or given differently, and repeats none of it", async () => {
  const bad = [
    "nonsense-hunter2",
    `0:${first}`,
    "1:hunter2",
    `1:${first},1:${first}`,
    `1:${second}`,
    `99999999:${first}`,
  ];
  for (const list of bad) {
    const refused = read({ secret: first, list });
    await expect(refused, list).rejects.toThrow(/master key/);
    await expect(refused, list).rejects.not.toThrow(/hunter2/);
  }
  await expect(read({ list: "2:short" })).rejects.toThrow("Encryption key required");
});

it("adds a version to the file, whole and readable by its owner alone", async () => {
  const file = join(directory, "grows");
  await writeFile(file, `1:${first}`, { mode: 0o600 });
  const source = configuredMasterKeys({ file, wrapperOf });
  await source.add?.(2);
  const entries = await source.read();
  expect([...entries.keys()]).toEqual([1, 2]);
  expect(await readFile(file, "utf8")).toMatch(/^1:a{32}\n2:[0-9a-f]{64}\n$/);
  expect(configuredMasterKeys({ secret: first, wrapperOf }).add).toBe(undefined);
});
