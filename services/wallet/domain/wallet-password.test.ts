import { expect, it } from "vitest";
import { parseNewPassword } from "./wallet-password.ts";

it("takes 8 to 200 characters of any script", () => {
  for (const text of ["12345678", "пароль-длинный", "\u{1f511}".repeat(200)]) expect(parseNewPassword(text)).toBe(text);
  for (const text of ["1234567", "x".repeat(201)]) expect(() => parseNewPassword(text)).toThrow();
});

it("refuses what is too long to be hashed once it is written out, however few characters it has", () => {
  expect(() => parseNewPassword("\ufdfa".repeat(40))).toThrow(expect.objectContaining({ reason: "INVALID_ARGUMENT" }));
});
