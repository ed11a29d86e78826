import { rm } from "node:fs/promises";
import path from "node:path";
import { dataDirectoryOf } from "./data-directory.ts";
import { endLeftOvers } from "./left-overs.ts";
import { findDataFolder } from "./local-secrets.ts";
import { operatorFiles } from "./operator-environment.ts";
import { releaseDataDirectory } from "./postgres.ts";
import { wipeDatabase } from "./prepare-database.ts";
import { servicePlans } from "./world.ts";

/**
 * Forgets the local world: data, secrets, certificates, logs. What was downloaded stays. With `databaseUrl` the world's schemas
 * in that database are dropped, else the embedded cluster that belongs
 * to the secrets here is removed. Throws when a mesh is running here.
 */
export async function resetWorld(directory: string, databaseUrl: string | undefined): Promise<void> {
  await endLeftOvers(path.join(directory, "run.json"));
  if (databaseUrl === undefined) {
    await removeCluster(findDataFolder(path.join(directory, "secrets.json")));
  } else {
    await wipeDatabase(databaseUrl, servicePlans);
  }
  for (const name of ["secrets.json", "certs", "logs", "envoy.json", ...operatorFiles]) {
    await rm(path.join(directory, name), { recursive: true, force: true });
  }
}

/** Before the secrets, which alone say where it is: a reset that is cut short can be asked for again. */
async function removeCluster(dataFolder: string | undefined): Promise<void> {
  if (dataFolder === undefined) return;
  const dataDirectory = dataDirectoryOf(dataFolder);
  await releaseDataDirectory(dataDirectory);
  await rm(dataDirectory, { recursive: true, force: true });
}
