import {
  type CircuitScope,
  claimProbe,
  closeCircuit,
  listOpenCircuits,
  openCircuit,
} from "../storage/circuit-store.ts";
import type { Storage } from "../storage/storage.ts";

// So many refreshes in a row without an answer, and an institution counts as down.
const failuresToOpen = 5;
const viewMs = 1_000;

/** Whether an institution may be asked: everybody may, one to find out, or nobody. */
export type Admission = "open_to_all" | "probe" | "closed";

/**
 * Keeps an outage from costing a call for every connection: after five failures in a row an institution is left alone by all
 * replicas, 5 s at first and up to 5 min, and then asked by one of them until it answers.
 */
export interface RefreshCircuits {
  /** May this institution be asked? `probe` is a right that is given once. */
  admit(scope: CircuitScope): Promise<Admission>;
  /** The institution has answered, be it with a refusal of a grant. */
  answered(scope: CircuitScope): Promise<void>;
  /** It has not; true when it counts as down by now. `waitMs`: how long it has asked to be left alone, at once. */
  failed(scope: CircuitScope, waitMs?: number): Promise<boolean>;
}

/** Makes the circuits of a process; which are open is a table that all replicas share, looked at every second at most. */
export function createRefreshCircuits(storage: Storage): RefreshCircuits {
  const failures = new Map<string, number>();
  let open = new Map<string, number>();
  let viewedAtMs = Number.NEGATIVE_INFINITY;
  let viewing: Promise<void> | undefined;

  const look = async (): Promise<void> => {
    const circuits = await listOpenCircuits(storage.db.query);
    viewedAtMs = performance.now();
    const before = open;
    open = new Map(circuits.map((circuit) => [nameOf(circuit), viewedAtMs + circuit.remainingMs]));
    // Another replica has had an answer: what failed here before says nothing any more.
    for (const name of before.keys()) if (!open.has(name)) failures.delete(name);
  };
  const lookAgain = async (): Promise<void> => {
    if (performance.now() - viewedAtMs < viewMs) return;
    viewing ??= look().finally(() => {
      viewing = undefined;
    });
    await viewing;
  };

  return {
    admit: async (scope) => {
      await lookAgain();
      const openUntilMs = open.get(nameOf(scope));
      if (openUntilMs === undefined) return "open_to_all";
      if (openUntilMs > performance.now()) return "closed";
      return (await claimProbe(storage.db.query, scope)) ? "probe" : "closed";
    },
    answered: async (scope) => {
      failures.delete(nameOf(scope));
      if (!open.delete(nameOf(scope))) return;
      await closeCircuit(storage.db.query, scope);
    },
    failed: async (scope, waitMs) => {
      const name = nameOf(scope);
      const count = (failures.get(name) ?? 0) + 1;
      failures.set(name, count);
      if (count < failuresToOpen && waitMs === undefined && !open.has(name)) return false;
      await openCircuit(storage.db.query, scope, waitMs);
      await look();
      return true;
    },
  };
}

function nameOf({ connector, institutionId }: CircuitScope): string {
  return `${connector}/${institutionId}`;
}
