import { sqlStateOf } from "../../platform/db/transaction.ts";

/** Whether a transaction failed by what was in it, and not by the database's state: then the others deserve one without it. */
export function isRowFault(error: unknown): boolean {
  if (!(error instanceof Error)) return true;
  const state = sqlStateOf(error);
  if (state === undefined) return error instanceof RangeError || error.name === "SealedRecordError";
  return state.startsWith("22") || state.startsWith("23");
}
