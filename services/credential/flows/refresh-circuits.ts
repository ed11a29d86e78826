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
  /** It has not; true when it counts as down by now. `waitMs`: it has asked to be left alone, at once, and for so long at least. */
  failed(scope: CircuitScope, waitMs?: number): Promise<boolean>;
  /** How long it still wants to be left alone, as of the last look, milliseconds; undefined when it asked for nothing of the kind. */
  limitedForMs(scope: CircuitScope): number | undefined;
}

/** Makes the circuits of a process; which are open is a table that all replicas share, looked at every second at most. */
export function createRefreshCircuits(storage: Storage): RefreshCircuits {
  const failures = new Map<string, number>();
  let open = new Map<string, { readonly untilMs: number; readonly isLimit: boolean }>();
  let viewedAtMs = Number.NEGATIVE_INFINITY;
  let viewing: Promise<void> | undefined;

  const look = async (): Promise<void> => {
    const circuits = await listOpenCircuits(storage.db.query);
    viewedAtMs = performance.now();
    const before = open;
    const seen = circuits.map(({ remainingMs, isLimit, ...scope }) => {
      return [nameOf(scope), { untilMs: viewedAtMs + remainingMs, isLimit }] as const;
    });
    open = new Map(seen);
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
      const circuit = open.get(nameOf(scope));
      if (circuit === undefined) return "open_to_all";
      if (circuit.untilMs > performance.now()) return "closed";
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
    limitedForMs: (scope) => {
      const circuit = open.get(nameOf(scope));
      return circuit?.isLimit === true ? Math.max(0, circuit.untilMs - performance.now()) : undefined;
    },
  };
}

function nameOf({ connector, institutionId }: CircuitScope): string {
  return `${connector}/${institutionId}`;
}
