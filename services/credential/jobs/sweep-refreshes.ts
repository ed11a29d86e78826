import { DomainError } from "../../platform/errors/domain-error.ts";
import { limitsOf } from "../connectors/registry.ts";
import { jobActor } from "../domain/audit.ts";
import type { Connection } from "../domain/connection.ts";
import type { Dependencies } from "../flows/dependencies.ts";
import type { Refresher } from "../flows/refresh.ts";
import {
  claimDue,
  claimOutOfTurn,
  type DueInstitution,
  type DueRoom,
  findDueInstitutions,
} from "../storage/refresh-claims.ts";
import { countFlights, type FlightCount } from "./count-flights.ts";
import { recordLag } from "./refresh-metrics.ts";

/** Flights of a process at most: what their answers and rows may take of its memory. */
const flightsMax = 2_048;
/** Flights of one institution at most, so that a slow one leaves room for the others. */
const flightsPerInstitutionMax = 1_024;
/** Fewer than this wait for more, as long as something is under way there. */
const roomWorthAClaim = 64;
const outOfTurnMax = 64;
const outOfTurnEveryMs = 1_000;
const startOfTime = new Date(0);

interface SweepParts {
  readonly deps: Dependencies;
  readonly refresher: Refresher;
}

/**
 * Refreshes what is due, and flies the flights that a dead process left, until nothing is due any more: claimed in batches, the longest
 * waiting of each institution first, no more at a time than an institution is to be asked together. Safe on several replicas: a claim
 * is one replica's alone. Returns how many connections it looked after.
 */
export async function sweepRefreshes(parts: SweepParts, signal: AbortSignal): Promise<number> {
  const flights = countFlights();
  const watermarks = new Map<string, Date>();
  let outOfTurnAtMs = Number.NEGATIVE_INFINITY;
  while (!signal.aborted) {
    if (performance.now() - outOfTurnAtMs > outOfTurnEveryMs) {
      outOfTurnAtMs = performance.now();
      await flyOutOfTurn(parts, flights);
    }
    // What ends during a claim makes room that the claim did not see.
    const wasIdle = flights.count() === 0;
    const claimed = await flyDue(parts, flights, watermarks);
    if (claimed === 0 && wasIdle) return flights.started();
    if (claimed === 0 && flights.count() > 0) await flights.someEnded();
  }
  await flights.allEnded();
  return flights.started();
}

/** Before whatever is merely due. */
async function flyOutOfTurn({ deps, refresher }: SweepParts, flights: FlightCount): Promise<void> {
  const claimedMs = performance.now();
  const due = { now: deps.clock.now(), limit: outOfTurnMax };
  const claimed = await claimOutOfTurn(deps.storage, refresher.claimant, due);
  for (const flight of claimed) fly(refresher, flights, flight, claimedMs);
}

async function flyDue(
  { deps, refresher }: SweepParts,
  flights: FlightCount,
  watermarks: Map<string, Date>,
): Promise<number> {
  const now = deps.clock.now();
  const rooms: DueRoom[] = [];
  let left = flightsMax - flights.count();
  const leftOf = new Map<string, number>();
  for (const due of await findDueInstitutions(deps.storage.db.query, now)) {
    const name = institutionName(due);
    const leftOfProvider =
      leftOf.get(due.connector) ?? providerFlightsMax(due.connector) - flights.count(due.connector);
    const free = Math.min(left, leftOfProvider, flightsPerInstitutionMax - flights.count(name));
    const room = await roomOf({ deps, refresher }, due, free);
    if (room <= 0 || (room < roomWorthAClaim && flights.count(name) > roomWorthAClaim)) continue;
    left -= room;
    leftOf.set(due.connector, leftOfProvider - room);
    // Whatever was due before has been claimed by this sweep; the index remembers it until it is vacuumed.
    rooms.push({ ...due, room, after: watermarks.get(name) ?? startOfTime });
  }
  if (rooms.length === 0) return 0;
  const claimedMs = performance.now();
  const claimed = await claimDue(deps.storage, refresher.claimant, { now, rooms });
  for (const { flight, dueAt } of claimed) {
    watermarks.set(institutionName(flight), dueAt);
    recordLag(flight, now.getTime() - dueAt.getTime());
    fly(refresher, flights, flight, claimedMs);
  }
  return claimed.length;
}

/** What a provider may be asked together, and as much again that is being read, journaled or landed meanwhile. */
function providerFlightsMax(connector: string): number {
  const limits = limitsOf(connector);
  return limits === undefined ? flightsMax : 2 * Math.min(limits.concurrencyMax, limits.requestsPerSecondMax);
}

/** How many connections of an institution may be refreshed now, given the flights that are free. */
async function roomOf({ deps, refresher }: SweepParts, due: DueInstitution, free: number): Promise<number> {
  if (free <= 0) return 0;
  try {
    await deps.connectors.get(due.connector)?.check(due.institutionId, "use");
  } catch (error) {
    if (!(error instanceof DomainError)) throw error;
    // An outage that is known without asking. What is not set up here goes its way to an operator.
    if (error.reason === "PROVIDER_UNAVAILABLE") return 0;
  }
  const admission = await refresher.circuits.admit(due);
  return admission === "closed" ? 0 : admission === "probe" ? 1 : free;
}

function fly(refresher: Refresher, flights: FlightCount, flight: Connection, claimedMs: number): void {
  const ended = refresher.flyClaimed(flight, { actor: jobActor("refresh"), claimedMs });
  flights.add([institutionName(flight), flight.connector], ended);
}

function institutionName({ connector, institutionId }: Pick<DueInstitution, "connector" | "institutionId">): string {
  return `${connector}/${institutionId}`;
}
