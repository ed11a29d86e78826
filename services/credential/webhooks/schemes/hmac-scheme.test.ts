import { createHmac } from "node:crypto";
import { expect, it } from "vitest";
import { createHmacScheme } from "./hmac-scheme.ts";

const now = new Date("2026-11-26T12:00:00.000Z");
const call = { now, timeoutMs: 1_000 };
const body = Buffer.from('{"a":1}');
const signed = (secret: string) => createHmac("sha256", secret).update(body).digest("hex");
const request = (value: string) => ({ body, headers: { "x-sig": value }, path: "/", receivedAt: now });

it("takes both spellings of the value, and an old secret beside a new one", async () => {
  const scheme = createHmacScheme({ header: "x-sig", secrets: ["new", "old"] });
  for (const secret of ["new", "old"]) {
    await scheme(request(signed(secret)), call);
    await scheme(request(`sha256=${signed(secret).toUpperCase()}`), call);
  }
  await expect(scheme(request(signed("other")), call)).rejects.toMatchObject({ reason: "signature_wrong" });
  await expect(scheme(request(`sha1=${signed("new")}`), call)).rejects.toMatchObject({ reason: "signature_malformed" });
});

it("is not made with an empty secret, which everyone knows", () => {
  expect(() => createHmacScheme({ header: "x-sig", secrets: ["good", ""] })).toThrow(RangeError);
  expect(() => createHmacScheme({ header: "x-sig", secrets: [] })).toThrow(RangeError);
});
