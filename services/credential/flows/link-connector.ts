import { DomainError } from "../../platform/errors/domain-error.ts";
import type { Owner } from "../domain/connection.ts";
import { type BegunConnect, beginConnect } from "./begin-connect.ts";
import { type Caller, connectorNamed, type Dependencies } from "./dependencies.ts";

/** Addresses of this installation that consents need. */
export interface LinkAddresses {
  /** Where browsers reach the gateway, without a trailing slash. */
  readonly publicUrl: string;
  /** Where a user's browser may be sent in the end; the first one when a caller names none. */
  readonly returnUrls: readonly string[];
}

/** A consent a user begins by himself, to be ended by our own callback. */
export interface LinkCommand {
  readonly owner: Owner;
  readonly connector: string;
  readonly institutionId: string;
  /** Empty: the installation's first. */
  readonly returnUrl: string;
  /** Empty: a new connection. */
  readonly connectionId: string;
}

/** Begins it. Throws `CONNECTOR_NOT_FOUND`, `INVALID_ARGUMENT` for a return address that is not registered, and as `beginConnect`. */
export async function linkConnector(
  deps: Dependencies,
  addresses: LinkAddresses,
  command: LinkCommand,
  caller: Caller,
): Promise<BegunConnect> {
  const { name, redirectUri } = connectorNamed(deps, command.connector);
  const { owner, institutionId } = command;
  const returnUrl = command.returnUrl === "" ? addresses.returnUrls[0] : command.returnUrl;
  // Whole addresses only: a prefix would send the user, and his connection id, to whatever shares its beginning.
  if (returnUrl === undefined || !addresses.returnUrls.includes(returnUrl)) {
    throw new DomainError("INVALID_ARGUMENT", { why: "returnUrl is not registered here" });
  }
  const connectionId = command.connectionId === "" ? undefined : command.connectionId;
  const own = `${addresses.publicUrl}/api/connectors/${name}/callback`;
  const begin = { owner, connector: name, institutionId, redirectUri: redirectUri ?? own, connectionId, returnUrl };
  return await beginConnect(deps, begin, caller);
}
