import { dayMs } from "../../kit/domain/calendar.ts";
import type { DateRange } from "./data-views.ts";
import { TrueLayerError } from "./truelayer-error.ts";

const defaultMs = 90 * dayMs;
/** Older dates than two years (and a few days, for those who count in months) are refused. */
const oldestMs = 735 * dayMs;

/**
 * Reads `from` and `to` (ISO 8601; a day alone means the whole of it, in UTC). Without them: the last 90 days.
 * @throws TrueLayerError `validation_error` for what is no date, `invalid_date_range` for an end before the start, in the
 * future, or a start too long ago.
 */
export function parseDateRange(query: Readonly<Record<string, string>>, now: Date): DateRange {
  const to = query["to"] === undefined ? now : parseTime("to", query["to"], true);
  const from =
    query["from"] === undefined ? new Date(to.getTime() - defaultMs) : parseTime("from", query["from"], false);
  const endOfTodayMs = (Math.floor(now.getTime() / dayMs) + 1) * dayMs;
  if (from > to) throw new TrueLayerError("invalid_date_range", "The 'from' date is after the 'to' date.");
  if (to.getTime() >= endOfTodayMs) throw new TrueLayerError("invalid_date_range", "The 'to' date is in the future.");
  if (now.getTime() - from.getTime() > oldestMs) {
    throw new TrueLayerError("invalid_date_range", "The 'from' date is too long ago for this provider.");
  }
  return { from, to };
}

function parseTime(name: string, text: string, isEnd: boolean): Date {
  const isDay = /^\d{4}-\d{2}-\d{2}$/.test(text);
  const isTime = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2})?$/.test(text);
  // Without an offset a time is UTC, not the time zone of this machine.
  const ms = isDay || isTime ? Date.parse(isDay || /(Z|[+-]\d{2}:\d{2})$/.test(text) ? text : `${text}Z`) : Number.NaN;
  if (Number.isNaN(ms)) throw new TrueLayerError("validation_error", `The '${name}' parameter is not a valid date.`);
  return new Date(isDay && isEnd ? ms + dayMs - 1 : ms);
}
