import { z } from "zod";
import { inTransaction } from "../../platform/db/transaction.ts";
import { DomainError } from "../../platform/errors/domain-error.ts";
import { ProviderError } from "../connectors/provider-error.ts";
import { type Actor, jobActor } from "../domain/audit.ts";
import { retryAt } from "../domain/refresh-schedule.ts";
import { appendAudit } from "../storage/audit-store.ts";
import {
  claimRevocation,
  deleteRevocation,
  openRevocation,
  postponeRevocation,
  type Revocation,
} from "../storage/revocation-store.ts";
import { connectorOf, type Dependencies, detachedCall } from "./dependencies.ts";

/** After this long everything a bank could still honour has ended by itself (credentials and refresh tokens live 90 days). */
export const revocationLifeMs = 100 * 86_400_000;
// Three requests of a revocation, each with the provider's timeout, fit into the claim.
const claimMs = 60_000;
const perSweepMax = 100;

const secretsShape = z.object({
  credential: z.string().optional(),
  refreshToken: z.string().optional(),
  accessToken: z.string().optional(),
  providerReference: z.string().optional(),
});

/** Works off due revocations until none is left or the signal aborts; safe on several replicas. Returns how many it confirmed. */
export async function sweepRevocations(deps: Dependencies, signal: AbortSignal): Promise<number> {
  let confirmed = 0;
  for (let count = 0; count < perSweepMax && !signal.aborted; count += 1) {
    const revocation = await claim(deps);
    if (revocation === undefined) break;
    if (await revoke(deps, revocation, jobActor("revoke"))) confirmed += 1;
  }
  return confirmed;
}

/** Tries one revocation now; true when the bank has confirmed it. Someone else may be at it: then false, for now. */
export async function revokeNow(deps: Dependencies, revocationId: string, actor: Actor): Promise<boolean> {
  const revocation = await claim(deps, revocationId);
  return revocation !== undefined && (await revoke(deps, revocation, actor));
}

async function claim(deps: Dependencies, revocationId?: string): Promise<Revocation | undefined> {
  const now = deps.clock.now();
  const leaseUntil = new Date(now.getTime() + claimMs);
  return await claimRevocation(deps.storage.db.query, { now, leaseUntil, revocationId });
}

async function revoke(deps: Dependencies, revocation: Revocation, actor: Actor): Promise<boolean> {
  const startedMs = performance.now();
  const failure = await tryToRevoke(deps, revocation, actor);
  const now = deps.clock.now();
  if (failure !== undefined && now < revocation.giveUpAt) {
    await postponeRevocation(deps.storage.db.query, revocation, retryAt(now, revocation.attempts));
    deps.log.warn(
      { connectionId: revocation.connectionId, bankId: revocation.institutionId, reason: failure },
      "revocation at the bank is put off",
    );
    return false;
  }
  await inTransaction(deps.storage.db, async (tx) => {
    if (!(await deleteRevocation(tx, revocation))) return;
    await appendAudit(deps.storage, tx, { owner: revocation.owner, actor, now }, [
      {
        action: "credential_delete",
        outcome: failure === undefined ? "revoked_at_provider" : "gave_up",
        connectionId: revocation.connectionId,
        institutionId: revocation.institutionId,
        durationMs: performance.now() - startedMs,
        details: { cause: revocation.cause, attempts: revocation.attempts },
      },
    ]);
  });
  return failure === undefined;
}

/** The reason it failed; undefined once the bank has confirmed. */
async function tryToRevoke(deps: Dependencies, revocation: Revocation, actor: Actor): Promise<string | undefined> {
  try {
    const connector = connectorOf(deps, revocation);
    await connector.check(revocation.institutionId, "use");
    const text = await openRevocation(deps.storage, revocation, { actor, now: deps.clock.now() });
    if (text === undefined) return undefined;
    const secrets = secretsShape.parse(JSON.parse(text));
    await connector.revoke(revocation.institutionId, secrets, detachedCall(deps));
    return undefined;
  } catch (error) {
    if (error instanceof ProviderError) return error.failure;
    if (error instanceof DomainError) return error.reason;
    throw error;
  }
}
