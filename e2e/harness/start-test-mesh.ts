import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { freePorts } from "../../deploy/local/free-ports.ts";
import { type Mesh, type MeshOptions, startMesh } from "../../deploy/local/mesh.ts";
import { type PortName, type Ports, portNames } from "../../deploy/local/ports.ts";
import { createThrowawayDatabase } from "../../deploy/local/throwaway-database.ts";
import type { ServiceName } from "../../deploy/local/world.ts";

/** The mesh with banks, shop and mail, for tests that need no data provider. */
export const withoutProviders: readonly ServiceName[] = [
  ...(["registry", "router", "wallet", "credential"] as const),
  ...(["north-bank", "maple-bank", "shop", "mail"] as const),
];

/** Options of `startTestMesh`. */
export type TestMeshOptions = Pick<MeshOptions, "services" | "env" | "gatewayThreads"> & {
  /** A superuser's address of another PostgreSQL server than the run's, for tests that stop it. */
  readonly adminUrl?: string;
};

/**
 * Starts a whole mesh of its own for tests: free ports, a database of its own on the test server, a directory of its own. `stop` ends
 * the processes and removes both. For tests that kill or reconfigure something; others share one, see `sharedMesh`.
 */
export async function startTestMesh(options: TestMeshOptions = {}): Promise<Mesh> {
  const { adminUrl = process.env["PAYMESH_TEST_DATABASE_URL"], ...others } = options;
  if (adminUrl === undefined) throw new Error("PAYMESH_TEST_DATABASE_URL is not set: run through vitest");
  const database = await createThrowawayDatabase(adminUrl);
  const directory = await mkdtemp(path.join(tmpdir(), "paymesh-e2e-"));
  const removeTraces = async (): Promise<void> => {
    await database.drop();
    await rm(directory, { recursive: true, force: true });
  };
  try {
    const mesh = await startMesh({
      gatewayThreads: 1,
      ...others,
      directory,
      ports: await randomPorts(),
      databaseUrl: database.url,
      rolePrefix: `${database.name}_`,
      environment: process.env,
    });
    return {
      ...mesh,
      stop: async () => {
        await mesh.stop();
        await removeTraces();
      },
    };
  } catch (error) {
    await removeTraces();
    throw error;
  }
}

async function randomPorts(): Promise<Ports> {
  const numbers = await freePorts(portNames.length);
  const entries = portNames.map((name, index): [PortName, number] => [name, numbers[index] ?? 0]);
  return Object.fromEntries(entries) as Ports; // one entry for each name
}
