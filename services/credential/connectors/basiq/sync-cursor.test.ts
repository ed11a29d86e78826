import fc from "fast-check";
import { expect, it } from "vitest";
import { hasRoom, nextLengthMax, readCursor, type SyncCursor, writeCursor } from "./sync-cursor.ts";

const day = fc.integer({ min: 0, max: 20_000 }).map((days) => new Date(days * 86_400_000).toISOString().slice(0, 10));
const id = fc.uuid();
/** As many ids as are told of. */
const fitting = fc.array(id, { maxLength: 60 }).map((all) => {
  const kept: string[] = [];
  for (const each of all) if (hasRoom(kept, each)) kept.push(each);
  return kept;
});
const cursor: fc.Arbitrary<SyncCursor> = fc.record({
  since: day,
  connections: fc.array(id, { maxLength: 10 }),
  pending: fitting,
  run: fc.option(
    fc.record({
      stage: fc.constantFrom("posted" as const, "pending" as const),
      next: fc.option(fc.string({ unit: fc.constantFrom("?", "a", "%"), maxLength: nextLengthMax }), {
        nil: undefined,
      }),
      readUntil: fc.option(day, { nil: undefined }),
      newest: fc.option(day, { nil: undefined }),
      seen: fitting,
    }),
    { nil: undefined },
  ),
});

it("is read as it was written, and never longer than can be stored", () => {
  fc.assert(
    fc.property(cursor, (given) => {
      const text = writeCursor(given);
      expect(text.length).toBeLessThanOrEqual(4_096);
      expect(readCursor(text)).toEqual(given);
    }),
  );
});

it.each(["", "{}", "[]", "null", '{"v":2,"s":"2026-01-01","c":[],"p":[]}', '{"v":1,"s":"someday","c":[],"p":[]}'])(
  "that nobody here wrote is none: %s",
  (text) => {
    expect(readCursor(text)).toBeUndefined();
  },
);
