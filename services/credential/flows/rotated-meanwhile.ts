import { DomainError } from "../../platform/errors/domain-error.ts";
import type { Connector } from "../connectors/connector.ts";
import type { ProviderError } from "../connectors/provider-error.ts";
import type { Connection } from "../domain/connection.ts";
import { afterRotation } from "./after-rotation.ts";
import type { Caller, Dependencies } from "./dependencies.ts";

/**
 * The connection with the token that has taken the place of a refused one, where an operator has it replaced right now: a use that was
 * under way is refused between the provider's change and its landing here. Undefined when nothing was replaced, or the caller is gone.
 * Throws `PROVIDER_UNAVAILABLE` when the new token is not here within the caller's time: that the old one was refused says nothing then.
 */
export async function rotatedMeanwhile(
  deps: Pick<Dependencies, "storage">,
  refused: {
    readonly connector: Connector;
    /** As it was used. */
    readonly connection: Connection;
    readonly error: ProviderError;
    readonly caller: Caller;
  },
): Promise<Connection | undefined> {
  const { connector, connection, error, caller } = refused;
  if (connector.rotateAccess === undefined || error.failure !== "grant_refused") return undefined;
  const current = await afterRotation(deps, connection, caller);
  if (caller.signal.aborted || current === undefined) return undefined;
  if (current === "busy") throw new DomainError("PROVIDER_UNAVAILABLE", {}, { cause: error });
  const isNewer = current.generation === connection.generation && current.tokenVersion !== connection.tokenVersion;
  return isNewer ? current : undefined;
}
