import { inject } from "vitest";
import type { SharedMesh } from "./global-mesh.ts";

/**
 * The mesh shared by all end-to-end files of this run. Others use it at the same time: make users, orders and cards of your own, and
 * never stop or pause anything; for that there is `startTestMesh`.
 */
export function sharedMesh(): SharedMesh {
  return inject("mesh");
}
