/** The length of a day in UTC. */
export const dayMs = 86_400_000;

/** A day as `YYYY-MM-DD`, in UTC. */
export type Day = string;

/** The day a moment lies in. */
export function dayOf(time: Date): Day {
  return time.toISOString().slice(0, 10);
}

/** The day some days later, or earlier when negative. */
export function addDays(day: Day, days: number): Day {
  return dayOf(new Date(Date.parse(day) + days * dayMs));
}

/** Every day from `first` to `last`, both included; none when `last` is before `first`. */
export function daysBetween(first: Day, last: Day): readonly Day[] {
  const count = Math.floor((Date.parse(last) - Date.parse(first)) / dayMs) + 1;
  return Array.from({ length: Math.max(0, count) }, (_, index) => addDays(first, index));
}
