import fc from "fast-check";
import { expect, it } from "vitest";
import { parseEmailAddress } from "./email-address.ts";

it("takes two spellings of one address for one person and keeps what was typed", () => {
  expect(parseEmailAddress(" Ada@Example.COM ")).toEqual({ asTyped: "Ada@Example.COM", normalised: "ada@example.com" });
});

it.each([
  "",
  "ada",
  "ada@",
  "@example.com",
  "a@b@example.com",
  "ada@example",
  "a d a@example.com",
  "ada@example.com\r\nBcc: eve@example.com",
  "<ada@example.com>",
  "ada,eve@example.com",
  `${"a".repeat(250)}@example.com`,
])("refuses %j", (text) => {
  expect(() => parseEmailAddress(text)).toThrow("INVALID_ARGUMENT");
});

it("never lets a character through that could end a header or name a second recipient", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 40 }), (text) => {
      try {
        expect(parseEmailAddress(`a${text}@example.com`).asTyped).not.toMatch(/[\s<>,;:\p{Cc}]/u);
      } catch (error) {
        expect(String(error)).toContain("INVALID_ARGUMENT");
      }
    }),
  );
});
