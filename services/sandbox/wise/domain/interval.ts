import { dayMs } from "../../kit/domain/calendar.ts";
import { requestError } from "./wise-error.ts";

/** The longest statement, milliseconds. */
export const intervalMsMax = 469 * dayMs;

/** Which lines are asked for; both ends included. */
export interface Interval {
  readonly start: Date;
  readonly end: Date;
}

/** Reads `intervalStart` and `intervalEnd`, times in UTC. Throws a 400 in Wise's words for what it cannot use. */
export function parseInterval(query: Readonly<Record<string, string>>): Interval {
  const start = timeOf(query, "intervalStart");
  const end = timeOf(query, "intervalEnd");
  if (end < start) {
    throw requestError(400, "INTERVAL_INVALID", "intervalEnd must not be before intervalStart", "intervalEnd");
  }
  if (end.getTime() - start.getTime() > intervalMsMax) {
    throw requestError(400, "INTERVAL_TOO_LONG", "The interval cannot exceed 469 days", "intervalEnd");
  }
  return { start, end };
}

function timeOf(query: Readonly<Record<string, string>>, name: string): Date {
  const text = query[name] ?? "";
  const isTime = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?Z$/.test(text);
  const time = new Date(isTime ? text : Number.NaN);
  if (Number.isNaN(time.getTime())) throw requestError(400, "NotNull", `${name} must be a time in UTC`, name);
  return time;
}
