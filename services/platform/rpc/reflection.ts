import { readFileSync } from "node:fs";
import type { Server } from "@grpc/grpc-js";
import { loadFileDescriptorSetFromBuffer } from "@grpc/proto-loader";
import { ReflectionService } from "@grpc/reflection";

const descriptorSet = new URL("../../../gen/descriptors/paymesh.binpb", import.meta.url);

let loaded: ReflectionService | undefined;

/** Adds server reflection (v1 and v1alpha) of the whole contract: whichever service answers, all four are described. */
export function addReflection(server: Server): void {
  loaded ??= new ReflectionService(loadFileDescriptorSetFromBuffer(readFileSync(descriptorSet)));
  loaded.addToServer(server);
}
