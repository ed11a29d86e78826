import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { beforeEach, expect, it } from "vitest";
import { ProviderError } from "../../connectors/provider-error.ts";
import { p521, testKeySource, truelayerHeaders, webhookPath } from "../testing/scheme-kits.ts";
import { createTruelayerScheme } from "./truelayer-scheme.ts";

const start = new Date("2026-11-26T12:00:00.000Z");
const body = Buffer.from('{"type":"account.updated"}');

let published: Map<string, object>;
let asked: string[];
let answer: (() => string) | undefined;
beforeEach(() => {
  published = new Map();
  asked = [];
  answer = undefined;
});

function publish(kid: string): KeyObject {
  const { publicKey, privateKey } = generateKeyPairSync("ec", p521);
  published.set(kid, { ...publicKey.export({ format: "jwk" }), kid, alg: "ES512", use: "sig" });
  return privateKey;
}

const schemeUnderTest = () =>
  createTruelayerScheme({
    keySources: [testKeySource],
    fetchKeySet: async (jku) => {
      asked.push(jku);
      return answer?.() ?? JSON.stringify({ keys: [...published.values()] });
    },
  });

type Scheme = ReturnType<typeof schemeUnderTest>;
type Facts = Partial<Parameters<typeof truelayerHeaders>[0]> & { key: KeyObject };

const send = (scheme: Scheme, facts: Facts, more: { now?: Date; path?: string } = {}) => {
  const now = more.now ?? start;
  const headers = truelayerHeaders({ body, at: now, kid: "k1", jku: testKeySource, ...facts });
  return scheme({ body, headers, path: more.path ?? webhookPath, receivedAt: now }, { now, timeoutMs: 1_000 });
};

it("takes keys of the known addresses alone, and asks no other", async () => {
  const [scheme, key] = [schemeUnderTest(), publish("k1")];
  for (const jku of [
    "https://webhooks.example.net/.well-known/jwks",
    `${testKeySource}/`,
    `${testKeySource}?x=1`,
    testKeySource.replace("https", "http"),
    testKeySource.toUpperCase(),
  ]) {
    await expect(send(scheme, { key, jku }), jku).rejects.toMatchObject({ reason: "key_source_refused" });
  }
  expect(asked).toEqual([]);
});

it("fetches a key set once, and once more within a minute for a key that is new in it", async () => {
  const [scheme, key] = [schemeUnderTest(), publish("k1")];
  await send(scheme, { key });
  await send(scheme, { key });
  expect(asked).toHaveLength(1);
  const later = new Date(start.getTime() + 61_000);
  const newKey = publish("k2");
  await expect(send(scheme, { key: newKey, kid: "k2" })).rejects.toMatchObject({ reason: "key_unknown" });
  expect(asked).toHaveLength(1);
  await send(scheme, { key: newKey, kid: "k2" }, { now: later });
  for (let count = 0; count < 100; count += 1) {
    const forged = send(scheme, { key, kid: `forged-${count}` }, { now: later });
    await expect(forged).rejects.toMatchObject({ reason: "key_unknown" });
  }
  expect(asked).toHaveLength(2);
});

it("stops using a key within the hour after it left the set", async () => {
  const [scheme, key] = [schemeUnderTest(), publish("k1")];
  await send(scheme, { key });
  published.clear();
  await send(scheme, { key });
  const hourLater = new Date(start.getTime() + 3_600_001);
  await expect(send(scheme, { key }, { now: hourLater })).rejects.toMatchObject({ reason: "key_unknown" });
});

it("is unavailable while the key set cannot be had or is none", async () => {
  const [scheme, key] = [schemeUnderTest(), publish("k1")];
  for (const text of ["<html>", "{}", '{"keys":[{"kid":"k1","kty":"RSA"}]}', '{"keys":']) {
    answer = () => text;
    await expect(send(scheme, { key }), text).rejects.toThrow(ProviderError);
  }
  answer = () => {
    throw new ProviderError("unavailable");
  };
  await expect(send(scheme, { key })).rejects.toThrow(ProviderError);
  answer = undefined;
  await send(scheme, { key });
});

it("requires the time to be signed, not only sent", async () => {
  const [scheme, key] = [schemeUnderTest(), publish("k1")];
  const unsigned = send(scheme, { key, signedHeaders: [] });
  await expect(unsigned).rejects.toMatchObject({ reason: "timestamp_missing" });
  const otherSigned = send(scheme, { key, signedHeaders: ["X-Other"] });
  await expect(otherSigned).rejects.toMatchObject({ reason: "timestamp_missing" });
});

it("refuses a webhook that was signed for another path", async () => {
  const [scheme, key] = [schemeUnderTest(), publish("k1")];
  const elsewhere = send(scheme, { key }, { path: "/api/connectors/other/webhook" });
  await expect(elsewhere).rejects.toMatchObject({ reason: "signature_wrong" });
});
