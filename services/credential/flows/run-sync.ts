import { inTransaction } from "../../platform/db/transaction.ts";
import { DomainError } from "../../platform/errors/domain-error.ts";
import type { ConnectionAccess, Connector } from "../connectors/connector.ts";
import type { ProviderAccount } from "../connectors/provider-data.ts";
import { isScopeLimited, isTransient, ProviderError } from "../connectors/provider-error.ts";
import { jobActor } from "../domain/audit.ts";
import type { Connection } from "../domain/connection.ts";
import { retryAt } from "../domain/refresh-schedule.ts";
import type { SyncCounts } from "../domain/sync-run.ts";
import { appendAudit } from "../storage/audit-store.ts";
import { findConnection, lockConnection } from "../storage/connection-store.ts";
import { deleteTransactions, saveAccounts, saveTransactions } from "../storage/provider-data-store.ts";
import { extendLease, finishRun, type HeldRun, noteSync, requeueRun } from "../storage/sync-run-store.ts";
import { findSyncState, saveSyncState } from "../storage/sync-state-store.ts";
import { type Caller, callFor, type Dependencies } from "./dependencies.ts";
import { type Changes, fetchChanges } from "./fetch-changes.ts";
import { measureSync, type SyncOutcome } from "./measure-sync.ts";
import { failureFacts } from "./provider-failure.ts";
import type { Refresher } from "./refresh.ts";
import { refreshConnection } from "./refresh-connection.ts";
import { useAccess } from "./use-access.ts";

/** How long a run is its holder's alone after each page it fetched, milliseconds. */
export const syncLeaseMs = 60_000;
const attemptsMax = 5;
const dayMs = 86_400_000;
const nothing: SyncCounts = Object.freeze({ pages: 0, added: 0, changed: 0, removed: 0 });

/** What runs work with. */
export interface SyncParts {
  readonly deps: Dependencies;
  readonly refresher: Refresher;
  /** How far back transactions are fetched and kept, unless their owner keeps them shorter. */
  readonly retentionDays: number;
}

interface Fetched {
  readonly accounts: readonly ProviderAccount[] | undefined;
  readonly changes: Changes | undefined;
  readonly from: Date;
  /** The provider wants its user beside it for some of this. */
  readonly isLimited: boolean;
}

/**
 * Runs one claimed run to its end: fetches, stores everything with the new cursor and the end of the run in one transaction, or
 * has it tried again later. Where the provider shows a part only beside its user, the rest is stored and the run fails as `scope_limited`. A process that dies on the way leaves nothing but a lease that runs out; the repeat is harmless.
 */
export async function runSync(parts: SyncParts, held: HeldRun, signal: AbortSignal): Promise<void> {
  const startedMs = performance.now();
  const outcome = await runToEnd(parts, held, { signal, startedMs });
  measureSync(held.run.connector, outcome, performance.now() - startedMs);
}

async function runToEnd(
  parts: SyncParts,
  held: HeldRun,
  work: { signal: AbortSignal; startedMs: number },
): Promise<SyncOutcome> {
  const { deps } = parts;
  const { signal, startedMs } = work;
  const caller: Caller = { actor: jobActor("sync"), signal, timeoutMs: () => deps.providerTimeoutMs };
  try {
    const connection = await findConnection(deps.storage.db.query, held.run);
    if (connection === undefined || connection.state === "REVOKED") throw new DomainError("CONNECTION_NOT_FOUND");
    if (held.run.kind === "tokens" && connection.hasRefreshToken) {
      const after = await refreshConnection(parts.refresher, connection, caller);
      if (after.stateReason === "consent_ended") throw new DomainError("REAUTHORIZATION_REQUIRED");
      const isEnded = await finishRun(deps.storage.db.query, held, succeeded(nothing, deps.clock.now()));
      return isEnded ? "succeeded" : "left";
    }
    const fetched = await fetchData(parts, held, { connection, caller });
    return await store(deps, held, { connection, fetched, startedMs });
  } catch (error) {
    if (signal.aborted) return await giveBack(deps, held);
    return await settle(deps, held, { error, startedMs });
  }
}

async function fetchData(
  parts: SyncParts,
  held: HeldRun,
  work: { connection: Connection; caller: Caller },
): Promise<Fetched> {
  const { deps } = parts;
  const { connection, caller } = work;
  const days = connection.settings.retentionDays ?? parts.retentionDays;
  const from = new Date(deps.clock.now().getTime() - days * dayMs);
  const known = await findSyncState(deps.storage.db.query, connection);
  return await useAccess(parts, {
    connection,
    caller,
    run: async (connector, access) => {
      const listed = connector.listAccounts(access, callFor(deps, caller));
      if (held.run.kind !== "transactions") {
        return { accounts: await listed, changes: undefined, from, isLimited: false };
      }
      const accounts = await listed.catch(unlessLimited);
      const changes = await fetchChanges(known?.cursor ?? "", (cursor) =>
        fetchPage(deps, held, { connector, access, caller, cursor, from }),
      );
      if (changes.isLimited && changes.pages === 0 && accounts === undefined) throw new ProviderError("scope_limited");
      return { accounts, changes, from: known?.backfilledFrom ?? from, isLimited: changes.isLimited };
    },
  });
}

/** Some banks list accounts only beside their user, and go on showing what happens on them: those of last time stay. */
function unlessLimited(error: unknown): undefined {
  if (!isScopeLimited(error)) throw error;
}

async function fetchPage(
  deps: Dependencies,
  held: HeldRun,
  page: { connector: Connector; access: ConnectionAccess; caller: Caller; cursor: string; from: Date },
) {
  const { connector, access, caller, cursor, from } = page;
  caller.signal.throwIfAborted();
  if (!(await extendLease(deps.storage.db.query, held, syncLeaseMs))) throw new DomainError("CONFLICT");
  const answer = await connector.syncTransactions?.(access, { cursor, from }, callFor(deps, caller));
  return answer ?? { added: [], changed: [], removed: [], nextCursor: "", hasMore: false };
}

async function store(
  deps: Dependencies,
  held: HeldRun,
  work: { connection: Connection; fetched: Fetched; startedMs: number },
): Promise<SyncOutcome> {
  const { connection, fetched } = work;
  const now = deps.clock.now();
  return await inTransaction(deps.storage.db, async (tx) => {
    const current = await lockConnection(tx, connection);
    // Disconnected meanwhile, or consented anew: what was fetched belongs to a consent that is over.
    if (current === undefined || current.state === "REVOKED") throw new DomainError("CONNECTION_NOT_FOUND");
    if (current.generation !== connection.generation) throw new DomainError("CONFLICT");
    if (fetched.accounts !== undefined) await saveAccounts(tx, current, fetched.accounts, now);
    let counts = fetched.accounts === undefined ? nothing : { ...nothing, accounts: fetched.accounts.length };
    if (fetched.changes !== undefined) {
      const { saved, removed, cursor, pages } = fetched.changes;
      const kept = saved.filter((each) => each.postedAt >= fetched.from);
      const savedCounts = await saveTransactions(tx, current, kept, now);
      counts = { ...counts, pages, ...savedCounts, removed: await deleteTransactions(tx, current, removed) };
      if (pages > 0) await saveSyncState(tx, current, { cursor, backfilledFrom: fetched.from }, now);
    }
    await noteSync(tx, current, now);
    // Fenced by the holder: a run that was taken over stores nothing.
    const end = fetched.isLimited ? limited(counts, now) : succeeded(counts, now);
    if (!(await finishRun(tx, held, end))) throw new DomainError("CONFLICT");
    const { connectionId, connector, institutionId } = current;
    const action = fetched.changes === undefined ? "account_list" : "transaction_fetch";
    const durationMs = performance.now() - work.startedMs;
    const details = { job: held.run.runId, trigger: held.run.trigger, ...counts };
    await appendAudit(deps.storage, tx, { owner: current.owner, actor: jobActor("sync"), now }, [
      {
        action,
        outcome: fetched.isLimited ? end.error : "ok",
        connectionId,
        connector,
        institutionId,
        durationMs,
        details,
      },
    ]);
    return end.state;
  });
}

/** This process is stopping; another one, or the next, begins the run anew. */
async function giveBack(deps: Dependencies, held: HeldRun): Promise<SyncOutcome> {
  const now = deps.clock.now();
  const end = await requeueRun(deps.storage.db.query, held, { error: "", dueAt: now, now });
  return end === "failed" ? "failed" : "left";
}

function succeeded(counts: SyncCounts, now: Date) {
  return { state: "succeeded", error: "", counts, now } as const;
}

/** Its owner has to know that something is missing; what there is has been stored. */
function limited(counts: SyncCounts, now: Date) {
  return { state: "failed", error: "scope_limited", counts, now } as const;
}

async function settle(
  deps: Dependencies,
  held: HeldRun,
  failed: { error: unknown; startedMs: number },
): Promise<SyncOutcome> {
  const { run } = held;
  const verdict = verdictOf(failed.error);
  const now = deps.clock.now();
  const { connectionId, runId: jobId, connector, attempts } = run;
  const told = failed.error instanceof ProviderError ? failureFacts(failed.error) : {};
  const facts = { connectionId, jobId, connector, attempts, ...told, reason: verdict.word };
  if (verdict.word === "server_error") deps.log.error({ ...facts, err: failed.error }, "a sync run failed");
  else deps.log.warn(facts, "a sync run did not succeed");
  if (verdict.isWorthAnother && run.attempts < attemptsMax) {
    const dueAt = retryAt(now, run.attempts, verdict.retryAfterMs);
    return await requeueRun(deps.storage.db.query, held, { error: verdict.word, dueAt, now });
  }
  return await inTransaction(deps.storage.db, async (tx) => {
    const end = { state: "failed", error: verdict.word, counts: nothing, now } as const;
    if (!(await finishRun(tx, held, end))) return "left";
    const current = await findConnection(tx, run);
    const { owner, connectionId, connector, runId } = run;
    const durationMs = performance.now() - failed.startedMs;
    const act = { action: "sync", outcome: verdict.word, connectionId, connector, durationMs } as const;
    await appendAudit(deps.storage, tx, { owner, actor: jobActor("sync"), now }, [
      { ...act, institutionId: current?.institutionId ?? "", details: { job: runId } },
    ]);
    return "failed";
  });
}

interface Verdict {
  readonly word: string;
  readonly isWorthAnother: boolean;
  readonly retryAfterMs?: number | undefined;
}

function verdictOf(error: unknown): Verdict {
  if (error instanceof ProviderError) {
    const { failure, retryAfterMs } = error;
    const needsUser = failure === "reauthorize" || failure === "grant_refused";
    const isWorthAnother = isTransient(failure);
    const word = needsUser ? "reauthorization_required" : isWorthAnother ? `provider_${failure}` : failure;
    return { word, isWorthAnother, retryAfterMs };
  }
  if (error instanceof DomainError) {
    const { retryAfterSeconds } = error.facts;
    const retryAfterMs = typeof retryAfterSeconds === "number" ? retryAfterSeconds * 1_000 : undefined;
    return { word: wordOf(error), isWorthAnother: transientReasons.has(error.reason), retryAfterMs };
  }
  // A broken database, or our own fault: worth another try, since the run is harmless to repeat.
  return { word: "server_error", isWorthAnother: true };
}

const transientReasons: ReadonlySet<string> = new Set(["PROVIDER_UNAVAILABLE", "PROVIDER_RATE_LIMITED", "CONFLICT"]);

function wordOf(error: DomainError): string {
  const needsUser = error.reason === "MISSING_ACCESS_TOKEN" || error.reason === "BSIM_TOKEN_EXPIRED";
  return needsUser ? "reauthorization_required" : error.reason.toLowerCase().replace("bsim_", "provider_");
}
