import { inTransaction } from "../../platform/db/transaction.ts";
import { DomainError } from "../../platform/errors/domain-error.ts";
import type { Actor } from "../domain/audit.ts";
import { appendAudit } from "../storage/audit-store.ts";
import { resumeMinting, tokenOwner } from "../storage/provider-token-store.ts";
import type { Dependencies } from "./dependencies.ts";

/** Lets minting of a token of the installation begin anew, as an operator wants it. Throws `PROVIDER_TOKEN_NOT_FOUND`. */
export async function resumeProviderToken(
  deps: Pick<Dependencies, "storage" | "clock">,
  name: string,
  actor: Actor,
): Promise<void> {
  const { storage } = deps;
  await inTransaction(storage.db, async (tx) => {
    if (!(await resumeMinting(tx, name))) throw new DomainError("PROVIDER_TOKEN_NOT_FOUND");
    await appendAudit(storage, tx, { owner: tokenOwner, actor, now: deps.clock.now() }, [
      { action: "token_refresh", outcome: "resumed", connector: name, institutionId: name, durationMs: 0 },
    ]);
  });
}
