import { describe, expect, it } from "vitest";
import { ProviderError } from "../../connectors/provider-error.ts";
import { createKeyCache } from "./key-cache.ts";

const startMs = Date.parse("2026-11-26T12:00:00Z");
const at = (ms: number) => ({ now: new Date(startMs + ms), timeoutMs: 1_000 });

function counting(answer: (id: string) => string | undefined = (id) => `key of ${id}`) {
  const asked: string[] = [];
  const cache = createKeyCache<string>({
    fetch: async (id) => {
      asked.push(id);
      return answer(id);
    },
    ageMaxMs: 3_600_000,
  });
  return { asked, cache };
}

describe("a key cache", () => {
  it("asks once for a key, also for callers who come together, and again after its age", async () => {
    const { asked, cache } = counting();
    expect(await Promise.all([cache.get("a", at(0)), cache.get("a", at(0))])).toEqual(["key of a", "key of a"]);
    await cache.get("a", at(3_599_999));
    expect(asked).toEqual(["a"]);
    await cache.get("a", at(3_600_000));
    await cache.get("a", at(3_600_500), 100);
    expect(asked).toEqual(["a", "a", "a"]);
  });

  it("asks again when the clock was set back", async () => {
    const { asked, cache } = counting();
    await cache.get("a", at(3_600_000));
    await cache.get("a", at(0));
    expect(asked).toEqual(["a", "a"]);
  });

  it("remembers for a minute that an id is nobody's", async () => {
    const { asked, cache } = counting(() => undefined);
    for (const ms of [0, 59_999, 60_000]) expect(await cache.get("a", at(ms))).toBeUndefined();
    expect(asked).toEqual(["a", "a"]);
  });

  it("stops asking for a forger's ids, while known keys go on", async () => {
    const { asked, cache } = counting((id) => (id === "good" ? "key" : undefined));
    await cache.get("good", at(0));
    const forged = Array.from({ length: 500 }, (_, index) => cache.get(`forged-${index}`, at(1)));
    const results = await Promise.allSettled(forged);
    const refused = results.filter(({ status }) => status === "rejected");
    expect(refused).toHaveLength(500 - 29);
    expect(refused[0]).toMatchObject({ reason: expect.any(ProviderError) });
    expect(asked).toHaveLength(30);
    expect(await cache.get("good", at(2))).toBe("key");
    expect(asked).toHaveLength(30);
    expect(await cache.get("new", at(60_001))).toBeUndefined();
  });

  it("forgets ids that are nobody's before keys", async () => {
    const { asked, cache } = counting((id) => (id === "good" ? "key" : undefined));
    await cache.get("good", at(0));
    for (let index = 0; index < 200; index += 1) await cache.get(`forged-${index}`, at(index * 3_000));
    await cache.get("good", at(600_000));
    expect(asked.filter((id) => id === "good")).toHaveLength(1);
  });

  it("keeps nothing of a failure", async () => {
    let isDown = true;
    const { asked, cache } = counting(() => {
      if (isDown) throw new ProviderError("unavailable");
      return "key";
    });
    await expect(cache.get("a", at(0))).rejects.toThrow(ProviderError);
    isDown = false;
    expect(await cache.get("a", at(1))).toBe("key");
    expect(asked).toHaveLength(2);
  });
});
