import type { TestProject } from "vitest/node";
import type { MeshUrls } from "../../deploy/local/mesh.ts";
import type { Ports } from "../../deploy/local/ports.ts";
import { startTestMesh } from "./start-test-mesh.ts";

/** The mesh that all end-to-end files of a run share, as it is handed to them. */
export interface SharedMesh {
  readonly urls: MeshUrls;
  readonly ports: Ports;
  /** Administrator's address of its database, to look at rows or to age them. */
  readonly databaseUrl: string;
}

declare module "vitest" {
  interface ProvidedContext {
    mesh: SharedMesh;
  }
}

/** Global setup of the end-to-end project; runs after the one that starts PostgreSQL. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const mesh = await startTestMesh();
  project.provide("mesh", { urls: mesh.urls, ports: mesh.ports, databaseUrl: mesh.databaseUrl });
  return () => mesh.stop();
}
