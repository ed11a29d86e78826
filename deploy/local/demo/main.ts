import path from "node:path";
import { startMesh } from "../mesh.ts";
import { providerNames } from "../provider-sandboxes.ts";
import { origin, repositoryRoot } from "../world.ts";
import { runJourney } from "./journey.ts";
import { Narrator } from "./narrator.ts";
import { type DemoArguments, DemoUsageError, parseDemoArguments } from "./parse-demo-arguments.ts";
import { runProvidersJourney } from "./providers-journey.ts";
import type { WorldAddresses } from "./world-addresses.ts";

// `npm run demo`: tells the main story against the running mesh, or against one it starts for itself; `npm run demo -- providers` the one
// of data providers. Ends with 0 only when every answer was the expected one.

const { isOfProviders, ports } = readDemoArguments(process.argv.slice(2));
const directory = path.join(repositoryRoot, ".local");
const world: WorldAddresses = {
  gateway: origin(ports.gateway),
  oidc: origin(ports.oidc),
  shop: origin(ports.shop),
  mail: origin(ports.mail),
  banks: { "north-bank": origin(ports["north-bank"]), "maple-bank": origin(ports["maple-bank"]) },
  providers: Object.fromEntries(
    providerNames.map((name) => [name, origin(ports[name])]),
  ) as WorldAddresses["providers"], // one for each
};
const narrator = new Narrator((line) => process.stdout.write(`${line}\n`));

/** Ends the process with the usage for words the demo does not know. */
function readDemoArguments(given: readonly string[]): DemoArguments {
  try {
    return parseDemoArguments(process.env, given);
  } catch (error) {
    if (!(error instanceof DemoUsageError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exit(2);
  }
}

async function isRunning(): Promise<boolean> {
  try {
    return (await fetch(`${world.gateway}/health/ready`, { signal: AbortSignal.timeout(3_000) })).ok;
  } catch {
    return false; // nothing listens there
  }
}

function journey(): Promise<void> {
  return isOfProviders ? runProvidersJourney({ world, directory, narrator }) : runJourney(world, narrator);
}

async function tell(): Promise<void> {
  if (await isRunning()) return journey();
  narrator.plain("No mesh is running; starting one for the demo.");
  const mesh = await startMesh({
    directory,
    ports,
    environment: process.env,
    onProgress: (text) => narrator.plain(`  ${text}`),
    ...(process.env["DATABASE_URL"] === undefined ? {} : { databaseUrl: process.env["DATABASE_URL"] }),
  });
  try {
    await journey();
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
