import path from "node:path";
import { startMesh } from "../mesh.ts";
import { resolvePorts } from "../ports.ts";
import { origin, repositoryRoot } from "../world.ts";
import { runJourney } from "./journey.ts";
import { Narrator } from "./narrator.ts";
import type { WorldAddresses } from "./world-addresses.ts";

// `npm run demo`: tells the main story against the running mesh, or against one it starts for itself. Ends with 0 only when
// every answer was the expected one.

const ports = resolvePorts(process.env, process.argv.slice(2));
const world: WorldAddresses = {
  gateway: origin(ports.gateway),
  oidc: origin(ports.oidc),
  shop: origin(ports.shop),
  mail: origin(ports.mail),
  banks: { "north-bank": origin(ports["north-bank"]), "maple-bank": origin(ports["maple-bank"]) },
};
const narrator = new Narrator((line) => process.stdout.write(`${line}\n`));

async function isRunning(): Promise<boolean> {
  try {
    return (await fetch(`${world.gateway}/health/ready`, { signal: AbortSignal.timeout(3_000) })).ok;
  } catch {
    return false; // nothing listens there
  }
}

async function tell(): Promise<void> {
  if (await isRunning()) return runJourney(world, narrator);
  narrator.plain("No mesh is running; starting one for the demo.");
  const mesh = await startMesh({
    directory: path.join(repositoryRoot, ".local"),
    ports,
    environment: process.env,
    onProgress: (text) => narrator.plain(`  ${text}`),
    ...(process.env["DATABASE_URL"] === undefined ? {} : { databaseUrl: process.env["DATABASE_URL"] }),
  });
  try {
    await runJourney(world, narrator);
  } finally {
    await mesh.stop();
  }
}

try {
  await tell();
  narrator.plain("\nEverything agreed.");
} catch (error) {
  narrator.plain(`\nThe demo stopped: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
