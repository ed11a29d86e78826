import { randomUUID } from "node:crypto";
import { inTransaction } from "../../platform/db/transaction.ts";
import { type Actor, type AuditAct, jobActor } from "../domain/audit.ts";
import type { Owner } from "../domain/connection.ts";
import { lockUnfinishedAttempts } from "../storage/attempt-cleanup-store.ts";
import { appendAudit } from "../storage/audit-store.ts";
import { deleteClient } from "../storage/client-store.ts";
import {
  deleteAttemptsOf,
  deleteOneConnection,
  deleteTransactionsOf,
  destroyDataKeys,
  hasRowsOf,
  lockLiveConnections,
} from "../storage/erased-rows.ts";
import {
  beginErasure,
  claimErasure,
  completeErasure,
  countErased,
  type Erasure,
  erasedOwner,
  findErasure,
  tidyErasures,
} from "../storage/erasure-store.ts";
import { insertRevocation, insertRevocationOfAttempt } from "../storage/queue-revocation.ts";
import { moveRevocations } from "../storage/revocation-store.ts";
import type { Tx } from "../storage/storage.ts";
import { callerGone } from "./caller-gone.ts";
import { type Caller, connectorsWithUsers, type Dependencies } from "./dependencies.ts";
import { endAndQueue } from "./end-connection.ts";
import { revocationTimes } from "./revoke-secrets.ts";

// Longer than any one step; after it another process goes on.
const leaseMs = 60_000;
const connectionsPerStep = 10;
const revocationsPerStep = 20;
const transactionsPerStep = 5_000;
const roundsMax = 5;
const erasuresPerSweep = 20;
const tidiedPerSweep = 100;

/**
 * Removes everything of a user and destroys his data keys, so that what backups and copies hold of him opens no more. His consents are
 * queued for revocation at the providers, their secrets under a key of the erasure's own that goes when the last is confirmed. The
 * audit keeps its entries, which verify and name nobody. Each step is a transaction that the next run finds done: a job finishes
 * what a process left behind. Resolves to the report, of an erasure that still runs when the caller's time is up.
 */
export async function eraseUser(deps: Dependencies, owner: Owner, caller: Caller): Promise<Erasure> {
  const now = deps.clock.now();
  const begin = { owner, erasureId: randomUUID(), actor: caller.actor, now, leaseUntil: leaseFrom(now) };
  const erasure = await inTransaction(deps.storage.db, (tx) => beginErasure(deps.storage, tx, begin));
  // A report that is late keeps its job, not the caller: the steps go on after his deadline.
  const finished = finishErasure(deps, erasure, caller.actor).catch((err: unknown) => {
    deps.log.error({ err, id: erasure.erasureId }, "an erasure was interrupted; the job goes on with it");
  });
  await Promise.race([finished, callerGone(caller)]);
  return (await findErasure(deps.storage.db.query, erasure)) ?? erasure;
}

/**
 * Goes on with erasures that were left behind, and tidies up after those that are done. One that fails is logged, and tried again once
 * its lease has ended: it holds up no other. Returns how many it finished.
 */
export async function sweepErasures(deps: Dependencies, signal: AbortSignal): Promise<number> {
  const { storage, clock } = deps;
  let finished = 0;
  for (let count = 0; count < erasuresPerSweep && !signal.aborted; count += 1) {
    const now = clock.now();
    const erasure = await claimErasure(storage.db.query, now, leaseFrom(now));
    if (erasure === undefined) break;
    try {
      await finishErasure(deps, erasure, jobActor("erasure"));
      finished += 1;
    } catch (err) {
      deps.log.error({ err, id: erasure.erasureId }, "an erasure failed; it is tried again");
    }
  }
  await tidyErasures(storage, clock.now(), tidiedPerSweep);
  return finished;
}

function leaseFrom(now: Date): Date {
  return new Date(now.getTime() + leaseMs);
}

async function finishErasure(deps: Dependencies, erasure: Erasure, actor: Actor): Promise<void> {
  const { tenant, userId } = erasure;
  if (userId === undefined) return;
  const work = { erasure, owner: { tenant, userId }, actor };
  for (let round = 1; round <= roundsMax; round += 1) {
    // Consents first: one that is being stored waits for its attempt, finds it gone, and stores nothing.
    await step(deps, work, (tx) => endConsents(deps, tx, work));
    await repeat(() => step(deps, work, (tx) => endConnections(deps, tx, work)));
    await repeat(() =>
      step(deps, work, async (tx) => ({
        transactions: await deleteTransactionsOf(tx, work.owner, transactionsPerStep),
      })),
    );
    await repeat(() => step(deps, work, (tx) => removeConnection(deps, tx, work)));
    await repeat(() => moveTo(deps, work));
    if (await shred(deps, work)) return;
  }
  throw new Error("an erased user's rows keep coming");
}

interface ErasureWork {
  readonly erasure: Erasure;
  readonly owner: Owner;
  readonly actor: Actor;
}

/** Runs one removal and counts it in its own transaction. Resolves to how much it removed. */
async function step(
  deps: Dependencies,
  { erasure }: ErasureWork,
  remove: (tx: Tx) => Promise<Partial<Erasure["counts"]>>,
): Promise<number> {
  return await inTransaction(deps.storage.db, async (tx) => {
    const removed = await remove(tx);
    await countErased(tx, erasure, removed);
    return Object.values(removed).reduce((sum, count) => sum + count, 0);
  });
}

async function repeat(work: () => Promise<number>): Promise<void> {
  while ((await work()) > 0);
}

/** Consents under way, and what a firm keeps of him; whom these made a user at a provider is ended there. */
async function endConsents(deps: Dependencies, tx: Tx, work: ErasureWork): Promise<Partial<Erasure["counts"]>> {
  const { storage } = deps;
  const keptFor = erasedOwner(work.erasure.erasureId);
  const queued = () =>
    ({ ...revocationTimes(deps.clock.now()), revocationId: randomUUID(), cause: "orphaned" }) as const;
  const attempts = await lockUnfinishedAttempts(tx, { owner: work.owner, connectors: connectorsWithUsers(deps) });
  for (const attempt of attempts) await insertRevocationOfAttempt(storage, tx, attempt, { ...queued(), keptFor });
  const clients = await deleteClient(tx, work.owner);
  for (const { connector, customerId } of clients) {
    const nowhere = { connectionId: randomUUID(), institutionId: "" };
    const secrets = { providerReference: customerId };
    await insertRevocation(storage, tx, { ...queued(), ...nowhere, owner: keptFor, connector, secrets });
  }
  const revocations = attempts.length + clients.length;
  return { connectAttempts: await deleteAttemptsOf(tx, work.owner), revocations };
}

async function endConnections(deps: Dependencies, tx: Tx, work: ErasureWork): Promise<Partial<Erasure["counts"]>> {
  const { storage } = deps;
  const now = deps.clock.now();
  const connections = await lockLiveConnections(tx, work.owner, connectionsPerStep);
  const acts: AuditAct[] = [];
  for (const connection of connections) {
    const ending = { connection, keptFor: erasedOwner(work.erasure.erasureId), outcome: "erased", now };
    acts.push(...(await endAndQueue(deps, tx, ending)).acts);
  }
  await appendAudit(storage, tx, { owner: work.owner, actor: work.actor, now }, acts);
  return { revocations: connections.length };
}

async function removeConnection(
  deps: Dependencies,
  tx: Tx,
  { owner }: ErasureWork,
): Promise<Partial<Erasure["counts"]>> {
  return (await deleteOneConnection(deps.storage, tx, { owner, now: deps.clock.now() })) ?? {};
}

/** Revocations that wait since before: their secrets must outlive their owner's key. How many were dealt with, one way or the other. */
async function moveTo(deps: Dependencies, { owner, erasure, actor }: ErasureWork): Promise<number> {
  const { storage, clock } = deps;
  const move = { from: owner, to: erasedOwner(erasure.erasureId), limit: revocationsPerStep };
  return await inTransaction(storage.db, async (tx) => {
    const { moved, alerts } = await moveRevocations(storage, tx, move);
    await countErased(tx, erasure, { revocations: moved });
    if (alerts.length > 0) await appendAudit(storage, tx, { owner, actor, now: clock.now() }, alerts);
    return moved + alerts.length;
  });
}

/** The last step; false when something has come meanwhile, and nothing was done. */
async function shred(deps: Dependencies, { erasure, owner, actor }: ErasureWork): Promise<boolean> {
  const { storage } = deps;
  const now = deps.clock.now();
  const done = inTransaction(storage.db, async (tx) => {
    const dataKeys = await destroyDataKeys(tx, owner);
    // Whoever was sealing for him has committed by now, or makes a key of his own afterwards.
    if (await hasRowsOf(tx, owner)) throw new RowsLeftError();
    await countErased(tx, erasure, { dataKeys });
    await appendAudit(storage, tx, { owner, actor, now }, [
      {
        action: "credential_delete",
        outcome: "erased",
        connector: "",
        institutionId: "",
        durationMs: 0,
        details: { dataKeys },
      },
    ]);
    await completeErasure(storage, tx, { erasure, owner, now });
    return true;
  });
  return await done.catch((error: unknown) => {
    if (error instanceof RowsLeftError) return false;
    throw error;
  });
}

/** Rolls the last step back: keys are destroyed when nothing needs them any more, not before. */
class RowsLeftError extends Error {}
