import { DomainError } from "../../platform/errors/domain-error.ts";
import { assertNotDisconnected, type Connection, type ConnectionKey } from "../domain/connection.ts";
import { findConnection } from "../storage/connection-store.ts";
import type { Dependencies } from "./dependencies.ts";

/**
 * A connection of this owner. Throws `CONNECTION_NOT_FOUND` alike for an id nobody has, another owner's, and one that was
 * disconnected: the answer tells nothing of what other users have.
 */
export async function findOwnConnection(deps: Dependencies, key: ConnectionKey): Promise<Connection> {
  const connection = await findConnection(deps.storage.db.query, key);
  if (connection === undefined) throw new DomainError("CONNECTION_NOT_FOUND");
  assertNotDisconnected(connection);
  return connection;
}
