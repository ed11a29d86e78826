import { DomainError } from "../../platform/errors/domain-error.ts";
import type { ProviderAccount } from "../connectors/provider-data.ts";
import { ProviderError } from "../connectors/provider-error.ts";
import type { Connection } from "../domain/connection.ts";
import { accountListAct, accountsAsked, askAccounts } from "./ask-accounts.ts";
import type { Caller, Dependencies } from "./dependencies.ts";
import { isOutage, logProviderFailure } from "./provider-failure.ts";
import type { Refresher } from "./refresh.ts";
import type { AccessedConnection } from "./use-access.ts";

/**
 * Accounts and balances of a connection, asked from the bank as by `askAccounts`, in the words of banks.
 * Throws `PROVIDER_NOT_CONFIGURED`, `MISSING_ACCESS_TOKEN`, `BSIM_TOKEN_EXPIRED`, `BSIM_UNAUTHORIZED`,
 * `BSIM_INVALID_CREDENTIALS`, `BSIM_UNAVAILABLE`.
 */
export async function listAccounts(
  parts: { deps: Dependencies; refresher: Refresher },
  of: AccessedConnection,
  caller: Caller,
): Promise<readonly ProviderAccount[]> {
  const { deps } = parts;
  const { connection } = of;
  const startedMs = performance.now();
  try {
    const accounts = await askAccounts(parts, of, caller);
    await audit(deps, connection, caller, { outcome: "ok", startedMs });
    return accounts;
  } catch (error) {
    const known = accountsError(error);
    if (known === undefined) throw error;
    if (error instanceof ProviderError) logProviderFailure(deps, accountsAsked(connection), error);
    await audit(deps, connection, caller, { outcome: known.reason.toLowerCase(), startedMs });
    throw known;
  }
}

function accountsError(error: unknown): DomainError | undefined {
  if (error instanceof DomainError) {
    return isOutage(error) ? new DomainError("BSIM_UNAVAILABLE", {}, { cause: error }) : error;
  }
  if (error instanceof ProviderError) {
    const isRefusal = error.failure === "unauthorized" || error.failure === "forbidden";
    return new DomainError(isRefusal ? "BSIM_UNAUTHORIZED" : "BSIM_UNAVAILABLE", {}, { cause: error });
  }
  // The caller's own deadline, while he waited for a refresh.
  if (error instanceof Error && (error.name === "AbortError" || error.name === "TimeoutError")) {
    return new DomainError("BSIM_UNAVAILABLE", {}, { cause: error });
  }
  return undefined;
}

async function audit(
  deps: Dependencies,
  connection: Connection,
  caller: Caller,
  end: { outcome: string; startedMs: number },
): Promise<void> {
  const subject = { owner: connection.owner, actor: caller.actor, now: deps.clock.now() };
  const act = accountListAct(connection, end);
  await deps.storage.auditLog.append({ subject, acts: [act] });
}
