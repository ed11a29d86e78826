import { rm } from "node:fs/promises";
import path from "node:path";
import { endLeftOvers } from "./left-overs.ts";
import { operatorFiles } from "./operator-environment.ts";
import { defaultDataDirectory, releaseDataDirectory } from "./postgres.ts";
import { wipeDatabase } from "./prepare-database.ts";
import { servicePlans } from "./world.ts";

/**
 * Forgets the local world: data, secrets, certificates, logs. What was downloaded stays. With `databaseUrl` the world's schemas
 * in that database are dropped, else the embedded cluster is removed. Throws when a mesh is running here.
 */
export async function resetWorld(directory: string, databaseUrl: string | undefined): Promise<void> {
  await endLeftOvers(path.join(directory, "run.json"));
  if (databaseUrl === undefined) {
    const dataDirectory = defaultDataDirectory();
    await releaseDataDirectory(dataDirectory);
    await rm(dataDirectory, { recursive: true, force: true });
  } else {
    await wipeDatabase(databaseUrl, servicePlans);
  }
  for (const name of ["secrets.json", "certs", "logs", "envoy.json", ...operatorFiles]) {
    await rm(path.join(directory, name), { recursive: true, force: true });
  }
}
