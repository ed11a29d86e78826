import type { BankHealth } from "./bank.ts";

/** How often and how patiently banks are probed. Milliseconds. */
export interface ProbeTimes {
  /** Between probes of a bank whose circuit is closed. */
  readonly intervalMs: number;
  /** How long an open circuit waits for its one trial. */
  readonly openMs: number;
}

/** Failures in a row that open the circuit (contracts 2.16). */
export const failuresToOpen = 5;

/** What is remembered between probes. An open circuit whose time has come is half-open: its next probe decides. */
export interface Circuit {
  readonly state: "closed" | "open";
  /** Failures in a row, counted up to `failuresToOpen`. */
  readonly failures: number;
}

/** A circuit of a bank that was never probed. */
export const freshCircuit: Circuit = Object.freeze({ state: "closed", failures: 0 });

/** What a probe changes. */
export interface ProbeDecision {
  readonly circuit: Circuit;
  readonly health: BankHealth;
  readonly nextProbeInMs: number;
}

/**
 * One probe's effect. Success closes the circuit and is health. The fifth failure in a row opens it and is illness; fewer
 * leave the health as it was, so that a single lost probe changes nothing. A failed trial opens it for another round.
 */
export function decideProbe(now: Circuit, health: BankHealth, succeeded: boolean, times: ProbeTimes): ProbeDecision {
  if (succeeded) return { circuit: freshCircuit, health: "healthy", nextProbeInMs: times.intervalMs };
  const failures = Math.min(now.failures + 1, failuresToOpen);
  if (now.state === "open" || failures === failuresToOpen) {
    return { circuit: { state: "open", failures }, health: "unhealthy", nextProbeInMs: times.openMs };
  }
  return { circuit: { state: "closed", failures }, health, nextProbeInMs: times.intervalMs };
}
