import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cursorLengthMax, readCursor, writeCursor } from "./sync-cursor.ts";

const number = fc.bigInt({ min: 0n, max: 10n ** 18n - 1n });
const position = fc.record({
  itemId: fc.stringMatching(/^[A-Za-z0-9]{1,64}$/),
  base: number,
  paging: fc.option(fc.record({ head: number, after: number }), { nil: undefined }),
});

describe("sync cursor", () => {
  it("comes back as it was written and stays as short as Plaid's", () => {
    fc.assert(
      fc.property(position, (given) => {
        const text = writeCursor(given);
        expect(text.length).toBeLessThanOrEqual(cursorLengthMax);
        expect(readCursor(text)).toEqual(given);
      }),
    );
  });

  it("is refused when nobody wrote it", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(readCursor(text)).toBeUndefined();
      }),
    );
    expect(readCursor(Buffer.from('["item","-1"]').toString("base64url"))).toBeUndefined();
    expect(readCursor("a".repeat(cursorLengthMax + 1))).toBeUndefined();
  });
});
