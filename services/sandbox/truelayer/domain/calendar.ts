/** The length of a day in UTC. */
export const dayMs = 86_400_000;

/** A day as `YYYY-MM-DD`, in UTC. */
export type Day = string;

/** The day a moment lies in. */
export function dayOf(time: Date): Day {
  return time.toISOString().slice(0, 10);
}

/** Every day from `first` to `last`, both included; none when `last` is before `first`. */
export function daysBetween(first: Day, last: Day): readonly Day[] {
  const start = Date.parse(first);
  const count = Math.floor((Date.parse(last) - start) / dayMs) + 1;
  return Array.from({ length: Math.max(0, count) }, (_, index) => dayOf(new Date(start + index * dayMs)));
}
