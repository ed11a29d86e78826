import { DomainError } from "../../platform/errors/domain-error.ts";
import type { Connection } from "../domain/connection.ts";
import type { Caller } from "./dependencies.ts";
import { refreshFailure } from "./provider-failure.ts";
import type { Refresher } from "./refresh.ts";

/**
 * Refreshes a connection now, joining a refresh under way, and gives it as it is then. A consent that has ended is an answer, not an
 * error: the connection is EXPIRED. Throws `CONNECTION_NOT_FOUND`, `PROVIDER_RATE_LIMITED` and `PROVIDER_UNAVAILABLE`.
 */
export async function refreshConnection(
  refresher: Refresher,
  connection: Connection,
  caller: Caller,
): Promise<Connection> {
  const result = await refresher.refresh(connection, { actor: caller.actor, signal: caller.signal });
  if (result.outcome === "gone" || result.connection === undefined) throw new DomainError("CONNECTION_NOT_FOUND");
  if (result.outcome === "refreshed" || result.outcome === "reauth_required") return result.connection;
  throw refreshFailure(refresher, connection);
}
