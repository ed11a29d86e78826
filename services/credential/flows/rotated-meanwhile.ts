import { setTimeout as pause } from "node:timers/promises";
import type { Connector } from "../connectors/connector.ts";
import type { ProviderError } from "../connectors/provider-error.ts";
import type { Connection } from "../domain/connection.ts";
import { findConnection } from "../storage/connection-store.ts";
import type { Dependencies } from "./dependencies.ts";

const lookEveryMs = 50;
// A flight ends with its lease.
const waitMsMax = 20_000;

/**
 * The connection with the token that has taken the place of a refused one, where an operator has it replaced right now: a use that was
 * under way is refused between the provider's change and its landing here. Undefined when nothing was replaced.
 */
export async function rotatedMeanwhile(
  deps: Pick<Dependencies, "storage">,
  refused: {
    readonly connector: Connector;
    /** As it was used. */
    readonly connection: Connection;
    readonly error: ProviderError;
    readonly signal: AbortSignal;
  },
): Promise<Connection | undefined> {
  const { connector, connection, error, signal } = refused;
  if (connector.rotateAccess === undefined || error.failure !== "grant_refused") return undefined;
  for (let waitedMs = 0; waitedMs < waitMsMax; waitedMs += lookEveryMs) {
    const current = await findConnection(deps.storage.db.query, connection);
    if (current === undefined || current.generation !== connection.generation) return undefined;
    if (current.tokenVersion !== connection.tokenVersion) return current;
    if (current.refreshHolder === undefined) return undefined;
    await pause(lookEveryMs, undefined, { signal });
  }
  return undefined;
}
