import { inTransaction } from "../../platform/db/transaction.ts";
import { DomainError } from "../../platform/errors/domain-error.ts";
import type { ProviderAccount } from "../connectors/provider-data.ts";
import { isScopeLimited, ProviderError } from "../connectors/provider-error.ts";
import type { Connection } from "../domain/connection.ts";
import { appendAudit } from "../storage/audit-store.ts";
import { lockConnection } from "../storage/connection-store.ts";
import { accountsSavedAt, listStoredAccounts, saveAccounts } from "../storage/provider-data-store.ts";
import { accountListAct, accountsAsked, askAccounts } from "./ask-accounts.ts";
import type { Caller, Dependencies } from "./dependencies.ts";
import { isOutage, logProviderFailure, useFailure } from "./provider-failure.ts";
import type { Refresher } from "./refresh.ts";

const freshMs = 15 * 60_000;
// What is left of the caller's time when a slow provider is given up, for the answer from storage.
const reserveMs = 1_000;

/**
 * The accounts of a connection: as stored while they are fresh, else asked from the provider and stored. While the provider is down,
 * limits us, or shows them only beside its user, those of last time. Throws `REAUTHORIZATION_REQUIRED`, `PROVIDER_RATE_LIMITED`, `PROVIDER_UNAVAILABLE`,
 * `PROVIDER_NOT_CONFIGURED`, `CONNECTION_NOT_FOUND`, `CONFLICT` when there was a new consent while the provider answered.
 */
export async function readAccounts(
  parts: { deps: Dependencies; refresher: Refresher },
  connection: Connection,
  caller: Caller,
): Promise<readonly ProviderAccount[]> {
  const { deps } = parts;
  const stored = await listStoredAccounts(deps.storage.db.query, connection);
  const isUsable = connection.stateReason === "" || connection.stateReason === "provider_unavailable";
  if (isUsable && stored.length > 0 && (await isFresh(deps, connection))) return stored;
  try {
    return await askAndStore(parts, connection, patient(caller));
  } catch (error) {
    const failure = useFailure(error);
    if (failure === undefined) throw error;
    if (error instanceof ProviderError) logProviderFailure(deps, accountsAsked(connection), error);
    // Some banks show accounts only beside their user, while the rest of the connection works.
    if ((isOutage(failure) || isScopeLimited(error)) && stored.length > 0) return stored;
    throw failure;
  }
}

/**
 * By the newest of a sync and of an answer that was stored for somebody who asked between two of them. What was stored before the present
 * consent says nothing of what its person shares now.
 */
async function isFresh(deps: Dependencies, connection: Connection): Promise<boolean> {
  const since = Math.max(deps.clock.now().getTime() - freshMs, connection.consentedAt.getTime());
  if (connection.lastSyncAt !== undefined && connection.lastSyncAt.getTime() >= since) return true;
  const savedAt = await accountsSavedAt(deps.storage.db.query, connection);
  return savedAt !== undefined && savedAt.getTime() >= since;
}

function patient(caller: Caller): Caller {
  return { ...caller, timeoutMs: () => Math.max(1, caller.timeoutMs() - reserveMs) };
}

async function askAndStore(
  parts: { deps: Dependencies; refresher: Refresher },
  connection: Connection,
  caller: Caller,
): Promise<readonly ProviderAccount[]> {
  const { deps } = parts;
  const startedMs = performance.now();
  const accounts = await askAccounts(parts, { connection }, caller);
  const now = deps.clock.now();
  return await inTransaction(deps.storage.db, async (tx) => {
    const current = await lockConnection(tx, connection);
    if (current === undefined || current.state === "REVOKED") throw new DomainError("CONNECTION_NOT_FOUND");
    if (current.generation !== connection.generation) throw new DomainError("CONFLICT");
    await saveAccounts(tx, current, accounts, now);
    const act = accountListAct(current, { outcome: "ok", startedMs });
    await appendAudit(deps.storage, tx, { owner: current.owner, actor: caller.actor, now }, [act]);
    return await listStoredAccounts(tx, current);
  });
}
