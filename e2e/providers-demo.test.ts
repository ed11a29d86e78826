import { afterAll, beforeAll, expect, it } from "vitest";
import { Narrator } from "../deploy/local/demo/narrator.ts";
import { runProvidersJourney } from "../deploy/local/demo/providers-journey.ts";
import type { Mesh } from "../deploy/local/mesh.ts";
import { providerNames } from "../deploy/local/provider-sandboxes.ts";
import { startTestMesh } from "./harness/start-test-mesh.ts";

let mesh: Mesh;

// One of its own: it rotates the master key, and verifies an audit that others' tests tamper with.
beforeAll(async () => {
  mesh = await startTestMesh({ services: ["registry", "wallet", "credential", "mail", ...providerNames] });
}, 120_000);
afterAll(() => mesh?.stop());

it("the story of data providers is told to its end, at every provider that is set up", async () => {
  const lines: string[] = [];
  const narrator = new Narrator((line) => lines.push(line));
  try {
    await runProvidersJourney({ world: mesh.urls, directory: mesh.directory, narrator });
  } catch (error) {
    process.stderr.write(`${lines.slice(-40).join("\n")}\n`);
    throw error;
  }
  const told = lines.join("\n");
  for (const name of providerNames) expect(told).toContain(`through ${name}, and read its accounts`);
  expect(told.match(/ 0 problems/g)).toHaveLength(2);
  // What it prints is for everybody's eyes.
  expect(told).not.toMatch(/eyJ[\w-]{20}|access-sandbox-|link-sandbox-[\w-]{6}/);
}, 240_000);
