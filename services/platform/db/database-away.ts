import { sqlStateOf } from "./transaction.ts";

/**
 * PostgreSQL's words for not now: connection exceptions (08), too many connections and other want of room (53), shutdown, crash and
 * start (57P01 to 57P03), a statement above its time (57014), a lock that was not had in time (55P03).
 */
const awayStates = /^(?:08...|53...|57P0[123]|57014|55P03)$/;

/** What Node says of a server that is not there, or no longer. */
const awayCodes = new Set(["ECONNREFUSED", "ECONNRESET", "EPIPE", "ETIMEDOUT", "ENOTFOUND", "EAI_AGAIN"]);

/** What pg says of it, with no code. */
const awayWords =
  /^(?:timeout exceeded when trying to connect|Connection terminated|Client has encountered a connection error)/;

/** Whether an error says that the database is away or overloaded, and nothing of what was asked of it: the same may work in a while. */
export function isDatabaseAway(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const state = sqlStateOf(error);
  if (state !== undefined && awayStates.test(state)) return true;
  // Addresses tried one after the other fail together.
  if (error instanceof AggregateError) return error.errors.length > 0 && error.errors.every(isDatabaseAway);
  return ("code" in error && awayCodes.has(String(error.code))) || awayWords.test(error.message);
}
