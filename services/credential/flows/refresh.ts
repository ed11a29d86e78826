import { setTimeout as pause } from "node:timers/promises";
import type { Actor } from "../domain/audit.ts";
import type { Connection } from "../domain/connection.ts";
import { findConnection } from "../storage/connection-store.ts";
import { type Claimant, claimFlight } from "../storage/refresh-claims.ts";
import type { FlightOutcome } from "../storage/refresh-store.ts";
import type { Dependencies } from "./dependencies.ts";
import { gatherLandings } from "./gather-landings.ts";
import { logProviderFailure } from "./provider-failure.ts";
import { createRefreshCircuits, type RefreshCircuits } from "./refresh-circuits.ts";
import { createExtension, type ExtensionResult } from "./refresh-extension.ts";
import { type AskProvider, fly } from "./refresh-flight.ts";

/*
 * One flight per connection across replicas: the row's lease decides who asks the bank, its epoch fences what he writes, and everyone
 * else waits and reads the row again. The lease outlives two requests to the bank, and ends well inside the half minute for which
 * banks still honour a rotated refresh token, so a flight left by a dead process is flown again in time.
 */
const leaseMsDefault = 20_000;
const pollMs = 50;

/** How a refresh ended, with the connection as it is then. `gone`: disconnected meanwhile. */
export interface RefreshResult {
  readonly outcome: FlightOutcome | "gone";
  readonly connection: Connection | undefined;
}

/** Refreshes connections, each at most once at a time. */
export interface Refresher {
  /**
   * Refreshes the tokens of `seen`, or joins a refresh under way; at once done when they are newer by now. A caller whose signal
   * aborts stops waiting with an `AbortError`; the flight goes on.
   */
  refresh(seen: Connection, work: { actor: Actor; signal: AbortSignal }): Promise<RefreshResult>;
  /**
   * Extends the consent of `seen`, whose owner has confirmed it, in a flight of its own: whatever tokens come are kept like refreshed ones.
   * `state` comes back with the user when he has to go to his bank.
   */
  extend(seen: Connection, work: { actor: Actor; signal: AbortSignal; state: string }): Promise<ExtensionResult>;
  /** Flies what the caller has claimed as `claimant`, at `claimedMs` of `performance.now()`. Settles when it has ended; never rejects. */
  flyClaimed(flight: Connection, work: { actor: Actor; claimedMs: number }): Promise<void>;
  /** As whom to claim for `flyClaimed`. */
  readonly claimant: Claimant;
  readonly circuits: RefreshCircuits;
  /** Waits for the flights of this process. */
  idle(): Promise<void>;
}

/** Options of a refresher. */
export interface RefresherOptions {
  /** Names this process in the lease. */
  readonly holder: string;
  /** How long a flight is its holder's alone; 20 s unless told. */
  readonly leaseMs?: number;
}

/** Makes the refresher of a process. */
export function createRefresher(deps: Dependencies, options: RefresherOptions): Refresher {
  const flights = new Map<string, Promise<FlightOutcome | "overtaken">>();
  const claimant = { holder: options.holder, leaseMs: options.leaseMs ?? leaseMsDefault };
  const circuits = createRefreshCircuits(deps.storage);
  const parts = { deps, landings: gatherLandings(deps), circuits };

  const start = (claimed: Connection, work: { actor: Actor; claimedMs: number; ask?: AskProvider | undefined }) => {
    const { connectionId } = claimed;
    const { actor, ask } = work;
    const leaseEndsMs = work.claimedMs + claimant.leaseMs;
    const flight = fly(parts, { flight: claimed, actor, leaseEndsMs, ask }).finally(() => {
      if (flights.get(connectionId) === flight) flights.delete(connectionId);
    });
    // Whoever started it may stop waiting; a failure nobody waits for must not end the process.
    flight.catch((err: unknown) => deps.log.error({ err, connectionId }, "a refresh failed"));
    flights.set(connectionId, flight);
    return flight;
  };

  /** False when somebody else holds the connection; a failure when its provider is not to be asked now. */
  const takeOff = async (
    seen: Connection,
    actor: Actor,
    ask?: AskProvider | undefined,
  ): Promise<boolean | "provider_down"> => {
    if ((await circuits.admit(seen)) === "closed") return "provider_down";
    const claimedMs = performance.now();
    const claimed = await claimFlight(deps.storage.db.query, { seen, ...claimant });
    if (claimed === undefined) return false;
    start(claimed, { actor, claimedMs, ask });
    return true;
  };

  return {
    refresh: async (seen, work) => {
      let watched: bigint | undefined;
      for (;;) {
        work.signal.throwIfAborted();
        const current = await findConnection(deps.storage.db.query, seen);
        const settled = settledResult(seen, current, watched);
        if (settled !== undefined) return settled;
        const tookOff = flights.has(seen.connectionId) || (await takeOff(seen, work.actor));
        if (tookOff === "provider_down") return { outcome: tookOff, connection: current };
        const flight = flights.get(seen.connectionId);
        if (!tookOff || flight === undefined) {
          watched = current?.refreshEpoch;
          await pause(pollMs, undefined, { signal: work.signal });
          continue;
        }
        const outcome = await untilAborted(flight, work.signal);
        if (outcome === "overtaken") continue;
        return { outcome, connection: await findConnection(deps.storage.db.query, seen) };
      }
    },
    extend: async (seen, work) => {
      const { connectionId, institutionId } = seen;
      for (;;) {
        work.signal.throwIfAborted();
        const current = await findConnection(deps.storage.db.query, seen);
        if (current === undefined || current.state === "REVOKED") return { outcome: "gone" };
        if (current.stateReason === "consent_ended") return { outcome: "reauth_required" };
        const extension = createExtension(work.state, ({ name: connector }, refusal) =>
          logProviderFailure(deps, { connector, operation: "extend_consent", connectionId, institutionId }, refusal),
        );
        const isBusy = flights.has(seen.connectionId);
        const tookOff = !isBusy && (await takeOff(current, work.actor, extension.ask));
        if (tookOff === "provider_down") return { outcome: tookOff };
        const flight = flights.get(seen.connectionId);
        if (flight === undefined) await pause(pollMs, undefined, { signal: work.signal });
        else {
          const outcome = await untilAborted(flight, work.signal);
          const result = tookOff ? extension.resultOf(outcome) : undefined;
          if (result !== undefined) return result;
        }
      }
    },
    flyClaimed: async (claimed, work) => {
      await start(claimed, work).catch(() => {});
    },
    claimant,
    circuits,
    idle: async () => {
      await Promise.allSettled(flights.values());
    },
  };
}

/** The result, if the row says that there is nothing left to wait for. */
function settledResult(
  seen: Connection,
  current: Connection | undefined,
  watchedEpoch: bigint | undefined,
): RefreshResult | undefined {
  if (current === undefined || current.state === "REVOKED") return { outcome: "gone", connection: current };
  if (current.tokenVersion !== seen.tokenVersion) return { outcome: "refreshed", connection: current };
  if (current.stateReason === "consent_ended") return { outcome: "reauth_required", connection: current };
  const watchedEnded = current.refreshEpoch === watchedEpoch && current.refreshHolder === undefined;
  const { refreshOutcome } = current;
  if (watchedEnded && isPutOff(refreshOutcome)) return { outcome: refreshOutcome, connection: current };
  return undefined;
}

function isPutOff(outcome: string | undefined): outcome is "transient" | "provider_down" | "misconfigured" {
  return outcome === "transient" || outcome === "provider_down" || outcome === "misconfigured";
}

async function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const aborted = Promise.withResolvers<never>();
  const onAbort = () => aborted.reject(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await Promise.race([work, aborted.promise]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
