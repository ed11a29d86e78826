import type { CardToken, CardTokenRequest } from "../connectors/card-connector.ts";
import type { Connection } from "../domain/connection.ts";
import { type Caller, callFor, type Dependencies } from "./dependencies.ts";
import { useCredential } from "./use-credential.ts";

/** Asks the card's bank for a single-use token bound to card, merchant and amount. Errors as `useCredential`. */
export async function requestCardToken(
  deps: Dependencies,
  connection: Connection,
  request: CardTokenRequest,
  caller: Caller,
): Promise<CardToken> {
  return await useCredential(deps, {
    operation: "request_card_token",
    connection,
    caller,
    run: (cards, access) => cards.requestToken(access, request, callFor(deps, caller)),
  });
}

/** Revokes a card token; false where the bank cannot. Errors as `useCredential`. */
export async function revokeCardToken(
  deps: Dependencies,
  connection: Connection,
  tokenId: string,
  caller: Caller,
): Promise<boolean> {
  return await useCredential(deps, {
    operation: "revoke_card_token",
    connection,
    caller,
    run: (cards, access) => cards.revokeToken(access, tokenId, callFor(deps, caller)),
  });
}
