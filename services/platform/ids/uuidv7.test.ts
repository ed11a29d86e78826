import { expect, it } from "vitest";
import { isUuid, uuidv7 } from "./uuidv7.ts";

it("makes distinct version 7 ids that sort by time", () => {
  const ids = Array.from({ length: 2000 }, (_, index) => uuidv7(1_700_000_000_000 + index));
  expect(new Set(ids).size).toBe(ids.length);
  expect([...ids].sort()).toEqual(ids);
  for (const id of ids) {
    expect(isUuid(id)).toBe(true);
    expect(id[14]).toBe("7");
    expect("89ab").toContain(id[19]);
  }
});

it("refuses what is not a lower-case UUID", () => {
  for (const text of ["", "x", uuidv7().toUpperCase(), `${uuidv7()}0`, "../../etc/passwd"])
    expect(isUuid(text)).toBe(false);
});
