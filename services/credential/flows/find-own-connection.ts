import { DomainError } from "../../platform/errors/domain-error.ts";
import {
  assertNotDisconnected,
  type Connection,
  type ConnectionKey,
  type ShownConnection,
} from "../domain/connection.ts";
import type { ConnectionForAccess } from "../storage/access-reads.ts";
import { findConnection, findShownConnection } from "../storage/connection-store.ts";
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

/** The same, with its status. */
export async function findOwnShown(deps: Dependencies, key: ConnectionKey): Promise<ShownConnection> {
  const connection = await findShownConnection(deps.storage.db.query, key);
  if (connection === undefined) throw new DomainError("CONNECTION_NOT_FOUND");
  assertNotDisconnected(connection);
  return connection;
}

/** The same, together with its access token, to be used at once. */
export async function findOwnForAccess(deps: Dependencies, key: ConnectionKey): Promise<ConnectionForAccess> {
  const found = await deps.storage.accessReads.find(key);
  if (found === undefined) throw new DomainError("CONNECTION_NOT_FOUND");
  assertNotDisconnected(found.connection);
  return found;
}
