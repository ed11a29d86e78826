import { Registry } from "../../../gen/es/paymesh/registry/v1/registry_pb.js";
import { implement, type ServiceImplementation } from "../../platform/rpc/service-implementation.ts";
import { bankHandlers } from "./bank-handlers.ts";
import type { RegistryDeps } from "./deps.ts";
import { keyHandlers } from "./key-handlers.ts";
import { merchantHandlers } from "./merchant-handlers.ts";
import { watchHandler } from "./watch-handler.ts";

/** Every method of the Registry, ready to be served. */
export function registryImplementation(deps: RegistryDeps): ServiceImplementation {
  return implement(Registry, {
    ...bankHandlers(deps),
    ...keyHandlers(deps),
    ...merchantHandlers(deps),
    ...watchHandler(deps),
  });
}
