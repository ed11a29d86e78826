import type { Clock } from "../../../platform/time/clock.ts";

const failuresToOpen = 5;
const openMsMin = 1_000;
const openMsMax = 15_000;

/** Knows from the calls themselves which banks cannot be reached, ahead of the Registry's probe. */
export interface BankCircuits {
  /** Whether a payment may be sent. After each pause one caller is let through to find out. */
  allows(bankId: string): boolean;
  /** Tells how a call ended: any HTTP answer, a bad one too, shows that the bank is there. */
  record(bankId: string, answered: boolean): void;
}

interface Circuit {
  failures: number;
  openUntilMs: number;
  openMs: number;
  /** A caller was let through and its result is awaited. */
  trying: boolean;
}

/**
 * Opens after five calls in a row without an answer, for one second, doubled up to fifteen while it goes on. Short on
 * purpose: it spares merchants the wait at a dead bank and must not outlast the bank's return.
 */
export function createBankCircuits(clock: Clock): BankCircuits {
  const circuits = new Map<string, Circuit>();
  return {
    allows: (bankId) => {
      const circuit = circuits.get(bankId);
      if (circuit === undefined || circuit.failures < failuresToOpen) return true;
      const now = clock.now().getTime();
      if (now < circuit.openUntilMs) return false;
      // This caller finds out; the others wait for its result.
      circuit.openUntilMs = now + circuit.openMs;
      circuit.trying = true;
      return true;
    },
    record: (bankId, answered) => {
      if (answered) {
        circuits.delete(bankId);
        return;
      }
      const circuit = circuits.get(bankId) ?? { failures: 0, openUntilMs: 0, openMs: openMsMin, trying: false };
      circuits.set(bankId, circuit);
      circuit.failures += 1;
      // Calls that fail together open the circuit once; only a failed trial makes the next pause longer.
      if (circuit.failures !== failuresToOpen && !circuit.trying) return;
      if (circuit.trying) circuit.openMs = Math.min(circuit.openMs * 2, openMsMax);
      circuit.trying = false;
      circuit.openUntilMs = clock.now().getTime() + circuit.openMs;
    },
  };
}
