import { randomBytes } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { expect, it } from "vitest";
import { createDataKeyCache } from "./data-key-cache.ts";
import { createSealedBox, type SealedBox } from "./sealed-box.ts";

const owner = { tenant: "wallet", userId: "user-1" };
const box = (): SealedBox => createSealedBox({ keys: new Map([["k", randomBytes(32)]]), currentKeyId: "k" });
const isWiped = (one: SealedBox): boolean => {
  try {
    one.seal("x", "row");
    return false;
  } catch {
    return true;
  }
};

it("gives a key to its owner alone", () => {
  const cache = createDataKeyCache({ entriesMax: 2, lifeMs: 60_000 });
  const mine = box();
  cache.keep(owner, "key-1", mine);
  expect(cache.find(owner, "key-1")).toBe(mine);
  expect(cache.find({ ...owner, userId: "user-2" }, "key-1")).toBe(undefined);
  expect(cache.find({ ...owner, tenant: "firm" }, "key-1")).toBe(undefined);
});

it("has one box of a key: the first serves on, and a second one is wiped", () => {
  const cache = createDataKeyCache({ entriesMax: 2, lifeMs: 60_000 });
  const [first, second] = [box(), box()];
  expect(cache.keep(owner, "key-1", first)).toBe(first);
  expect(cache.keep(owner, "key-1", second)).toBe(first);
  expect([isWiped(first), isWiped(second)]).toEqual([false, true]);
});

it("holds no more than it may, and wipes what it lets go", () => {
  const cache = createDataKeyCache({ entriesMax: 2, lifeMs: 60_000 });
  const boxes = [box(), box(), box()];
  for (const [at, one] of boxes.entries()) cache.keep(owner, `key-${at}`, one);
  expect(boxes.map(isWiped)).toEqual([true, false, false]);
  expect(cache.find(owner, "key-0")).toBe(undefined);
  cache.clear();
  expect(boxes.map(isWiped)).toEqual([true, true, true]);
});

it("wipes a key at the end of its life, asked for or not", async () => {
  const cache = createDataKeyCache({ entriesMax: 2, lifeMs: 20 });
  const one = box();
  cache.keep(owner, "key-1", one);
  await pause(60);
  expect(isWiped(one)).toBe(true);
  expect(cache.find(owner, "key-1")).toBe(undefined);
});
