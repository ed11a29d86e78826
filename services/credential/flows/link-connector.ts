import { DomainError } from "../../platform/errors/domain-error.ts";
import type { Connector } from "../connectors/connector.ts";
import type { Owner } from "../domain/connection.ts";
import { type BegunConnect, beginConnect } from "./begin-connect.ts";
import { type Caller, connectorNamed, type Dependencies } from "./dependencies.ts";

/** The page on which a firm's client ends his consent, below the public address. */
export const connectEndPath = "/openbanking/callback";

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
  /** The mark of the browser he is at; undefined for an app, which has no say over the browser it opens. */
  readonly browserMark?: string | undefined;
}

/** Begins it. Throws `CONNECTOR_NOT_FOUND`, `INVALID_ARGUMENT` for a return address that is not registered, and as `beginConnect`. */
export async function linkConnector(
  deps: Dependencies,
  addresses: LinkAddresses,
  command: LinkCommand,
  caller: Caller,
): Promise<BegunConnect> {
  const connector = connectorNamed(deps, command.connector);
  const { owner, institutionId, browserMark } = command;
  const way = wayBack(addresses, connector, command.returnUrl);
  const connectionId = command.connectionId === "" ? undefined : command.connectionId;
  const consent = { owner, connector: connector.name, institutionId, connectionId, browserMark };
  return await beginConnect(deps, { ...consent, ...way }, caller);
}

/** How a user comes back from a provider, and where he goes in the end. Throws `INVALID_ARGUMENT` for an address not registered here. */
export function wayBack(
  addresses: LinkAddresses,
  connector: Pick<Connector, "name" | "redirectUri">,
  given: string,
): { readonly redirectUri: string; readonly returnUrl: string } {
  const returnUrl = given === "" ? addresses.returnUrls[0] : given;
  // Whole addresses only: a prefix would send the user, and his connection id, to whatever shares its beginning.
  if (returnUrl === undefined || !addresses.returnUrls.includes(returnUrl)) {
    throw new DomainError("INVALID_ARGUMENT", { why: "returnUrl is not registered here" });
  }
  const own = `${addresses.publicUrl}/api/connectors/${connector.name}/callback`;
  return { redirectUri: connector.redirectUri ?? own, returnUrl };
}
