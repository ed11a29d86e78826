import { DomainError } from "../../platform/errors/domain-error.ts";
import { type ClientKey, moveClient } from "../storage/client-store.ts";
import { ownClient } from "./client-customers.ts";
import { clientConnections } from "./client-overview.ts";
import type { Caller, Dependencies } from "./dependencies.ts";
import { disconnect } from "./disconnect.ts";

/** How a disconnection ended. */
export interface DisconnectedClient {
  readonly logins: number;
  /** Whether the provider has confirmed each of them; it is asked until it does. */
  readonly isConfirmed: boolean;
}

/**
 * Ends a client's logins, or the one named: revoked at the provider, their data destroyed. He stays a customer there. Without a login to
 * end a repeat succeeds. Throws `CLIENT_NOT_FOUND`, and `LOGIN_NOT_FOUND` for a login that is named and not his.
 */
export async function disconnectClient(
  deps: Dependencies,
  { key, loginId }: { key: ClientKey; loginId: string },
  caller: Caller,
): Promise<DisconnectedClient> {
  const client = await ownClient(deps, key);
  const all = await clientConnections(deps, key);
  const ended = all.filter((each) => loginId === "" || each.ownerReference === loginId);
  if (ended.length === 0 && loginId !== "") throw new DomainError("LOGIN_NOT_FOUND");
  let isConfirmed = true;
  for (const connection of ended) isConfirmed = (await disconnect(deps, connection, caller)) && isConfirmed;
  if (ended.length === all.length) {
    const move = {
      from: ["linked", "error"],
      to: "not_linked",
      step: "",
      errorCode: "",
      now: deps.clock.now(),
    } as const;
    await moveClient(deps.storage.db.query, client, move);
  }
  return { logins: ended.length, isConfirmed };
}
