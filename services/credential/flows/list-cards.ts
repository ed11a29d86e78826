import { DomainError } from "../../platform/errors/domain-error.ts";
import type { ProviderCard } from "../connectors/card-connector.ts";
import type { Connection } from "../domain/connection.ts";
import { type Caller, callFor, type Dependencies } from "./dependencies.ts";
import { useCredential } from "./use-credential.ts";

/** The cards the user shared with this wallet, asked from the bank. Errors as `useCredential`; a refused scope needs the user. */
export async function listCards(
  deps: Dependencies,
  connection: Connection,
  caller: Caller,
): Promise<readonly ProviderCard[]> {
  return await useCredential(deps, {
    operation: "list_cards",
    connection,
    caller,
    run: (cards, access) => cards.list(access, callFor(deps, caller)),
  }).catch((error: unknown) => {
    if (error instanceof DomainError && error.reason === "CARD_NOT_AUTHORIZED") {
      throw new DomainError("REAUTHORIZATION_REQUIRED", {}, { cause: error });
    }
    throw error;
  });
}
