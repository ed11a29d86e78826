import { createHash, generateKeyPairSync, type KeyObject } from "node:crypto";
import { SignJWT, UnsecuredJWT } from "jose";
import { beforeEach, expect, it } from "vitest";
import { ProviderError } from "../../connectors/provider-error.ts";
import { plaidToken } from "../testing/scheme-kits.ts";
import { createPlaidScheme, type PlaidVerificationKey, plaidSignedAt } from "./plaid-scheme.ts";

const start = new Date("2026-11-26T12:00:00.000Z");
const body = Buffer.from('{"webhook_type":"TRANSACTIONS","item_id":"i1"}');

let published: Map<string, PlaidVerificationKey>;
let asked: string[];
let isDown: boolean;
beforeEach(() => {
  published = new Map();
  asked = [];
  isDown = false;
});

function publish(kid: string): KeyObject {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const { x = "", y = "" } = publicKey.export({ format: "jwk" });
  published.set(kid, { kid, x, y, isExpired: false });
  return privateKey;
}

function withdraw(kid: string): void {
  const key = published.get(kid);
  if (key !== undefined) published.set(kid, { ...key, isExpired: true });
}

const schemeUnderTest = () =>
  createPlaidScheme({
    fetchKey: async (kid) => {
      asked.push(kid);
      if (isDown) throw new ProviderError("unavailable");
      return published.get(kid);
    },
  });

const send = (scheme: ReturnType<typeof schemeUnderTest>, token: string, now = start) =>
  scheme({ body, headers: { "plaid-verification": token }, path: "/", receivedAt: now }, { now, timeoutMs: 1_000 });

it("asks for a key once, and never uses one that was withdrawn when it saw it", async () => {
  const [scheme, key] = [schemeUnderTest(), publish("k1")];
  const token = await plaidToken({ body, at: start, key, kid: "k1" });
  await Promise.all([send(scheme, token), send(scheme, token)]);
  await send(scheme, token);
  expect(asked).toEqual(["k1"]);
  withdraw("k1");
  await expect(send(schemeUnderTest(), token)).rejects.toMatchObject({ reason: "key_expired" });
});

it("learns within the hour that a key was withdrawn, and at once when a new one appears", async () => {
  const [scheme, oldKey, newKey] = [schemeUnderTest(), publish("k1"), publish("k2")];
  await send(scheme, await plaidToken({ body, at: start, key: oldKey, kid: "k1" }));
  withdraw("k1");
  await send(scheme, await plaidToken({ body, at: start, key: newKey, kid: "k2" }));
  const late = await plaidToken({ body, at: start, key: oldKey, kid: "k1" });
  await expect(send(scheme, late)).rejects.toMatchObject({ reason: "key_expired" });

  const other = schemeUnderTest();
  published.clear();
  const key = publish("k3");
  await send(other, await plaidToken({ body, at: start, key, kid: "k3" }));
  withdraw("k3");
  const hourLater = new Date(start.getTime() + 3_600_001);
  const token = await plaidToken({ body, at: hourLater, key, kid: "k3" });
  await expect(send(other, token, hourLater)).rejects.toMatchObject({ reason: "key_expired" });
});

it("refuses the key of an unknown id, and is unavailable while Plaid cannot be asked", async () => {
  const [scheme, key] = [schemeUnderTest(), publish("k1")];
  const unknown = await plaidToken({ body, at: start, key, kid: "k9" });
  await expect(send(scheme, unknown)).rejects.toMatchObject({ reason: "key_unknown" });
  isDown = true;
  const token = await plaidToken({ body, at: start, key, kid: "k1" });
  await expect(send(scheme, token)).rejects.toThrow(ProviderError);
  isDown = false;
  await send(scheme, token);
});

it("never asks for the key of a token that is not Plaid's", async () => {
  const [scheme, key] = [schemeUnderTest(), publish("k1")];
  const claims = {
    iat: start.getTime() / 1000,
    request_body_sha256: createHash("sha256").update(body).digest("hex"),
  };
  const { x, y } = published.get("k1") ?? {};
  const confused = await new SignJWT(claims)
    .setProtectedHeader({ alg: "HS256", kid: "k1" })
    .sign(new TextEncoder().encode(JSON.stringify({ x, y })));
  const unsigned = new UnsecuredJWT(claims).encode();
  const traversing = await plaidToken({ body, at: start, key, kid: "../k1" });
  for (const token of [confused, unsigned, traversing]) {
    await expect(send(scheme, token)).rejects.toMatchObject({ reason: "signature_malformed" });
  }
  expect(asked).toEqual([]);
});

it("refuses a token without its claims, and tells when a good one was signed", async () => {
  const [scheme, key] = [schemeUnderTest(), publish("k1")];
  const header = { alg: "ES256", kid: "k1" };
  for (const claims of [{}, { iat: start.getTime() / 1000 }, { iat: "now", request_body_sha256: "x" }]) {
    const token = await new SignJWT(claims as Record<string, unknown>).setProtectedHeader(header).sign(key);
    await expect(send(scheme, token)).rejects.toMatchObject({ reason: "signature_malformed" });
    expect(plaidSignedAt(token)).toBeUndefined();
  }
  expect(plaidSignedAt(await plaidToken({ body, at: start, key, kid: "k1" }))).toEqual(start);
  expect(plaidSignedAt("junk")).toBeUndefined();
});
