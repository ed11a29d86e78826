import { expect, it } from "vitest";
import { hashPassword } from "../../platform/secrets/password.ts";
import { parseNewPassword } from "./wallet-password.ts";

it("takes 8 to 200 characters of any script", () => {
  for (const text of ["12345678", "пароль-длинный", "\u{1f511}".repeat(200)]) expect(parseNewPassword(text)).toBe(text);
  for (const text of ["1234567", "x".repeat(201)]) expect(() => parseNewPassword(text)).toThrow();
});

it("refuses what cannot be hashed, however few characters it has", async () => {
  const text = "\ufdfa".repeat(40);
  await expect(hashPassword(text)).rejects.toThrow(RangeError);
  expect(() => parseNewPassword(text)).toThrow(expect.objectContaining({ reason: "INVALID_ARGUMENT" }));
});
