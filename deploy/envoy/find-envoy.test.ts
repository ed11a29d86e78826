import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { EnvoyMissingError, envoyVersion, findEnvoy } from "./find-envoy.ts";

let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), "paymesh-find-envoy-"));
});

afterAll(() => rm(directory, { recursive: true, force: true }));

async function writeEnvoy(folder: string, version: string): Promise<string> {
  const file = path.join(await mkdtemp(path.join(directory, folder)), "envoy");
  await writeFile(file, `#!/bin/sh\necho "envoy  version: abc/${version}/Clean/RELEASE/BoringSSL"\n`);
  await chmod(file, 0o755);
  return file;
}

it("takes ENVOY_BIN before anything else, and says so when it does not run", async () => {
  const chosen = await writeEnvoy("chosen", envoyVersion);
  expect(await findEnvoy({ directory, env: { ENVOY_BIN: chosen, PATH: "" } })).toBe(chosen);
  await expect(findEnvoy({ directory, env: { ENVOY_BIN: "/nowhere/envoy", PATH: "" } })).rejects.toThrow(
    "ENVOY_BIN=/nowhere/envoy is not an Envoy that runs here",
  );
});

it("takes an Envoy on PATH of the pinned version alone, and says what to install when there is none", async () => {
  const right = await writeEnvoy("right", envoyVersion);
  const wrong = await writeEnvoy("wrong", "1.20.0");
  const both = `${path.dirname(wrong)}:${path.dirname(right)}`;
  expect(await findEnvoy({ directory, env: { PATH: both } })).toBe(right);
  // Nothing on this PATH can install one either.
  const attempt = findEnvoy({ directory, env: { PATH: path.dirname(wrong) } });
  await expect(attempt).rejects.toThrow(EnvoyMissingError);
  await expect(attempt).rejects.toThrow(`Envoy ${envoyVersion} is missing`);
});
