import { z } from "zod";
import { inTransaction } from "../../platform/db/transaction.ts";
import { DomainError } from "../../platform/errors/domain-error.ts";
import { SealedRecordError } from "../../platform/vault/sealed-box.ts";
import type { Connector } from "../connectors/connector.ts";
import { ProviderError } from "../connectors/provider-error.ts";
import { type Actor, jobActor } from "../domain/audit.ts";
import { retryAt } from "../domain/refresh-schedule.ts";
import type { SecretsToRevoke } from "../domain/secrets-to-revoke.ts";
import { appendAudit } from "../storage/audit-store.ts";
import {
  claimRevocation,
  deleteRevocation,
  isProviderUserNeeded,
  openRevocation,
  postponeRevocation,
  type Revocation,
} from "../storage/revocation-store.ts";
import { connectorOf, type Dependencies, detachedCall } from "./dependencies.ts";
import { parseAnswerText } from "./journal-format.ts";
import { failureFacts } from "./provider-failure.ts";

/** After this long everything a bank could still honour has ended by itself (credentials and refresh tokens live 90 days). */
const revocationLifeMs = 100 * 86_400_000;
// The requests of a revocation, three for each set of tokens and one for a user, fit into the claim, each with the provider's timeout.
const claimMs = 120_000;
const perSweepMax = 100;

const secretsShape = z.object({
  credential: z.string().optional(),
  refreshToken: z.string().optional(),
  accessToken: z.string().optional(),
  providerReference: z.string().optional(),
  proofs: z.string().optional(),
  answer: z.string().optional(),
});

/** When a revocation that is made now is tried, and given up. */
export function revocationTimes(now: Date): { readonly now: Date; readonly dueAt: Date; readonly giveUpAt: Date } {
  return { now, dueAt: now, giveUpAt: new Date(now.getTime() + revocationLifeMs) };
}

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
  const isOver = now >= revocation.giveUpAt;
  if (failure !== undefined) {
    const { connector, connectionId, institutionId: bankId, attempts } = revocation;
    const facts = { connector, connectionId, bankId, attempts, ...failure };
    deps.log.warn(facts, isOver ? "revocation at the bank is given up" : "revocation at the bank is put off");
  }
  if (failure !== undefined && !isOver) {
    await postponeRevocation(deps.storage.db.query, revocation, retryAt(now, revocation.attempts));
    return false;
  }
  await inTransaction(deps.storage.db, async (tx) => {
    if (!(await deleteRevocation(tx, revocation))) return;
    await appendAudit(deps.storage, tx, { owner: revocation.owner, actor, now }, [
      {
        action: "credential_delete",
        outcome: failure === undefined ? "revoked_at_provider" : "gave_up",
        connectionId: revocation.connectionId,
        connector: revocation.connector,
        institutionId: revocation.institutionId,
        durationMs: performance.now() - startedMs,
        details: { cause: revocation.cause, attempts: revocation.attempts },
      },
    ]);
  });
  return failure === undefined;
}

/** Why it failed, for the log; undefined once the bank has confirmed. */
async function tryToRevoke(
  deps: Dependencies,
  revocation: Revocation,
  actor: Actor,
): Promise<{ readonly reason: string } | undefined> {
  try {
    const connector = connectorOf(deps, revocation);
    await connector.check(revocation.institutionId, "use");
    const text = await openRevocation(deps.storage, revocation, { actor, now: deps.clock.now() });
    if (text === undefined) return undefined;
    await revokeAtProvider(deps, connector, revocation, text);
    return undefined;
  } catch (error) {
    if (error instanceof ProviderError) return failureFacts(error);
    // Tampered with, as the audit has been told; the others behind it must go on.
    if (error instanceof SealedRecordError) return { reason: "secret_rejected" };
    if (error instanceof DomainError) return { reason: error.reason };
    throw error;
  }
}

/** Each step may be repeated: a later one that fails has the earlier ones done again. */
async function revokeAtProvider(
  deps: Dependencies,
  connector: Connector,
  revocation: Revocation,
  text: string,
): Promise<void> {
  const { answer, ...secrets } = secretsShape.parse(JSON.parse(text));
  const { institutionId } = revocation;
  await connector.revoke(institutionId, secrets, detachedCall(deps));
  if (answer !== undefined) {
    await connector.revoke(institutionId, newerThan(secrets, answer), detachedCall(deps));
  }
  const user = connector.users?.userOf(secrets);
  if (user === undefined) return;
  const now = deps.clock.now();
  if (await isProviderUserNeeded(deps.storage.db.query, { user, revocation, now })) return;
  await connector.users?.end(user, detachedCall(deps));
}

/** The tokens of an answer nobody has used yet, in place of those it replaced. */
function newerThan(secrets: SecretsToRevoke, answer: string): SecretsToRevoke {
  const { accessToken, refreshToken = secrets.refreshToken, credential = secrets.credential } = parseAnswerText(answer);
  return { ...secrets, accessToken, refreshToken, credential };
}
