import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import pg from "pg";
import { freePorts } from "../../deploy/local/free-ports.ts";
import { type Mesh, type MeshOptions, startMesh } from "../../deploy/local/mesh.ts";
import { type PortName, type Ports, portNames } from "../../deploy/local/ports.ts";

/** Options of `startTestMesh`. */
export type TestMeshOptions = Pick<MeshOptions, "services" | "env" | "gatewayThreads">;

/**
 * Starts a whole mesh of its own for tests: free ports, a database of its own on the test server, a directory of its own. `stop` ends
 * the processes and removes both. For tests that kill or reconfigure something; others share one, see `sharedMesh`.
 */
export async function startTestMesh(options: TestMeshOptions = {}): Promise<Mesh> {
  const adminUrl = process.env["PAYMESH_TEST_DATABASE_URL"];
  if (adminUrl === undefined) throw new Error("PAYMESH_TEST_DATABASE_URL is not set: run through vitest");
  const name = `mesh_${randomBytes(4).toString("hex")}`;
  const directory = await mkdtemp(path.join(tmpdir(), "paymesh-e2e-"));
  await onServer(adminUrl, (client) => client.query(`create database ${name}`));
  const databaseUrl = new URL(adminUrl);
  databaseUrl.pathname = `/${name}`;
  const removeTraces = async (): Promise<void> => {
    await onServer(adminUrl, (client) => dropWorld(client, name));
    await rm(directory, { recursive: true, force: true });
  };
  try {
    const mesh = await startMesh({
      gatewayThreads: 1,
      ...options,
      directory,
      ports: await randomPorts(),
      databaseUrl: databaseUrl.href,
      rolePrefix: `${name}_`,
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

async function dropWorld(client: pg.Client, name: string): Promise<void> {
  await client.query(`drop database ${name} with (force)`);
  const { rows } = await client.query<{ rolname: string }>("select rolname from pg_roles where rolname like $1", [
    `${name}_%`,
  ]);
  for (const { rolname } of rows) await client.query(`drop role ${client.escapeIdentifier(rolname)}`);
}

async function onServer(adminUrl: string, work: (client: pg.Client) => Promise<unknown>): Promise<void> {
  const client = new pg.Client({ connectionString: adminUrl });
  await client.connect();
  try {
    await work(client);
  } finally {
    await client.end();
  }
}
