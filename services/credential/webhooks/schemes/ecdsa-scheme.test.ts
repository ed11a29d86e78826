import { generateKeyPairSync, sign } from "node:crypto";
import { expect, it } from "vitest";
import { pemOf } from "../testing/scheme-kits.ts";
import { createEcdsaScheme } from "./ecdsa-scheme.ts";

const now = new Date("2026-11-26T12:00:00.000Z");
const call = { now, timeoutMs: 1_000 };
const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
const body = Buffer.from('{"eventType":"ping"}');

const options = {
  signatureHeader: "sig",
  timestampHeader: "time",
  algorithmHeader: "alg",
  publicKeys: [pemOf(publicKey)],
  form: "der",
  encoding: "hex",
} as const;

function request(timestamp: string, more: Record<string, string> = {}) {
  const signed = Buffer.concat([body, Buffer.from(`.${timestamp}`)]);
  const sig = sign("sha256", signed, privateKey).toString("hex");
  return { body, headers: { sig, time: timestamp, ...more }, path: "/", receivedAt: now };
}

it("reads seconds, milliseconds and ISO times, and refuses one without a time", async () => {
  const scheme = createEcdsaScheme(options);
  const seconds = String(now.getTime() / 1000);
  for (const timestamp of [seconds, String(now.getTime()), now.toISOString()]) await scheme(request(timestamp), call);
  for (const timestamp of ["", "now", `${seconds}.5`, `-${seconds}`]) {
    await expect(scheme(request(timestamp), call), timestamp).rejects.toMatchObject({ reason: "timestamp_missing" });
  }
});

it("refuses an algorithm it does not check", async () => {
  const scheme = createEcdsaScheme(options);
  const seconds = String(now.getTime() / 1000);
  await scheme(request(seconds, { alg: "SHA256withECDSA" }), call);
  const refused = scheme(request(seconds, { alg: "none" }), call);
  await expect(refused).rejects.toMatchObject({ reason: "signature_malformed" });
});

it("is not made with a key of another kind", () => {
  const others = [
    generateKeyPairSync("ec", { namedCurve: "P-384" }).publicKey,
    generateKeyPairSync("rsa", { modulusLength: 2048 }).publicKey,
    generateKeyPairSync("ed25519").publicKey,
  ];
  for (const key of others) {
    expect(() => createEcdsaScheme({ ...options, publicKeys: [pemOf(key)] })).toThrow(RangeError);
  }
  expect(() => createEcdsaScheme({ ...options, publicKeys: [] })).toThrow(RangeError);
});
