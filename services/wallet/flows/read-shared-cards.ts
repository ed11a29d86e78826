import { type Connection, ConnectionError, type OutgoingCall } from "../clients/credential-connections.ts";
import type { ListedCard } from "../domain/card-list.ts";
import type { WalletDeps } from "./wallet-deps.ts";

/**
 * The cards behind a connection as its bank lists them now. Undefined when they cannot be told: no credential, or the bank
 * does not answer. That is not the same as none, and no card may be taken away for it.
 */
export async function readSharedCards(
  deps: Pick<WalletDeps, "credential" | "log">,
  of: { readonly userId: string; readonly connection: Pick<Connection, "connectionId" | "hasCredential"> },
  call: OutgoingCall,
): Promise<readonly ListedCard[] | undefined> {
  const { userId, connection } = of;
  if (!connection.hasCredential) return undefined;
  try {
    return await deps.credential.listCards({ userId, connectionId: connection.connectionId }, call);
  } catch (error) {
    if (!(error instanceof ConnectionError)) throw error;
    deps.log.warn({ err: error, connectionId: connection.connectionId }, "cards not listed");
    return undefined;
  }
}
