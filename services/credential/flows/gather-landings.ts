import { createBatcher } from "../../platform/db/batcher.ts";
import { type FlightStart, type FlightToRead, readFlights } from "../storage/read-flights.ts";
import type { AnswerToKeep } from "../storage/refresh-journal.ts";
import { isRowFault } from "../storage/row-fault.ts";
import type { Dependencies } from "./dependencies.ts";
import { keepAnswers } from "./keep-answers.ts";
import { type LandingWork, landAll } from "./refresh-landing.ts";
import { savePatiently } from "./save-patiently.ts";

const limits = { rowsMax: 256, flightsMax: 2, waitingMax: 10_000, isRowFault } as const;

/** Reads and writes of flights, gathered: what arrives while one statement or transaction is under way shares the next. */
export interface Landings {
  /** What a flight begins with. */
  read(flight: FlightToRead): Promise<FlightStart>;
  /** Keeps an answer; waits for a database that is restarting. False when a newer consent, or the end, has made it worthless. */
  journal(answer: AnswerToKeep): Promise<boolean>;
  /** Makes an answer the connection's own; false when another flight has the connection by now. */
  land(work: LandingWork): Promise<boolean>;
}

/** Makes the landings of a process. */
export function gatherLandings(deps: Dependencies): Landings {
  const { storage } = deps;
  const answers = createBatcher<AnswerToKeep, boolean>({
    flush: async (batch) => {
      const kept = await savePatiently(() => keepAnswers(deps, batch), isRowFault);
      return batch.map(({ flight }) => kept.has(flight.connectionId));
    },
    ...limits,
  });
  const landings = createBatcher<LandingWork, boolean>({
    flush: (batch) => landAll(deps, batch),
    ...limits,
  });
  const beginnings = createBatcher<FlightToRead, FlightStart>({
    flush: (batch) => readFlights(storage, batch),
    ...limits,
  });
  return {
    read: (flight) => beginnings.add(flight),
    journal: (answer) => answers.add(answer),
    land: (work) => landings.add(work),
  };
}
