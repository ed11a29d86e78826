import type { Logger } from "pino";
import { counter } from "../../platform/telemetry/metrics.ts";
import type { BankHealthClient } from "../clients/bank-health.ts";
import { decideProbe, type ProbeTimes } from "../domain/bank-circuit.ts";
import type { ClaimedProbe, ProbeStore } from "../storage/probe-store.ts";

/** Probes of one round. More banks than this that are due wait for the next round, which follows at once. */
const probesAtOnceMax = 50;
/** Added to a probe's own time: how long its result may take to be written before another replica probes again. */
const leaseSlackMs = 5_000;

const probes = counter("bank_probes", "Health probes of banks by outcome");

/** What a round of probes needs. */
export interface ProbeBanksDeps {
  readonly store: ProbeStore;
  readonly client: BankHealthClient;
  readonly times: ProbeTimes & { readonly timeoutMs: number };
  readonly log: Pick<Logger, "info" | "warn">;
}

/**
 * Probes every bank that is due, those of this replica's claims alone. A replica that dies leaves its claims to the others
 * after their lease. A result that comes too late is dropped.
 */
export async function probeBanks(deps: ProbeBanksDeps, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const claims = await deps.store.claim({
      limit: probesAtOnceMax,
      leaseMs: deps.times.timeoutMs + leaseSlackMs,
    });
    await Promise.all(claims.map((claim) => probe(deps, claim, signal)));
    if (claims.length < probesAtOnceMax) return;
  }
}

async function probe(deps: ProbeBanksDeps, claim: ClaimedProbe, signal: AbortSignal): Promise<void> {
  const up = await deps.client.isUp(claim.apiBaseUrl, signal);
  // A probe cut short by our own shutdown says nothing of the bank; its lease lapses.
  if (signal.aborted) return;
  probes.add(1, { outcome: up ? "success" : "failure" });
  const result = await deps.store.record(claim, (circuit, health) => decideProbe(circuit, health, up, deps.times));
  if (!result?.changed) return;
  const facts = { bankId: claim.bankId, health: result.health };
  if (result.health === "healthy") deps.log.info(facts, "bank is healthy");
  else deps.log.warn(facts, "bank is unhealthy");
}
