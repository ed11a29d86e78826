import type { ProviderCall } from "../../connectors/connector.ts";
import { ProviderError } from "../../connectors/provider-error.ts";

const keysHeldMax = 100;
const unknownAgeMaxMs = 60_000;
const fetchesPerMinuteMax = 30;
const minuteMs = 60_000;

/** Where keys come from. */
export interface KeyCacheOptions<Key> {
  /** Undefined when the source knows no such key. Throws `ProviderError` when it cannot be asked. */
  fetch(id: string, call: ProviderCall): Promise<Key | undefined>;
  /** How long a key is used before the source is asked again, so that one it withdraws goes out of use here too. */
  readonly ageMaxMs: number;
}

/** Keys of a provider by id, asked for once and kept for a while. */
export interface KeyCache<Key> {
  /**
   * The key; undefined when the source knows none. With `ageMaxMs` an older one is asked for again. Throws `ProviderError`
   * "unavailable" when the source cannot be asked, or has been asked 30 times within a minute: senders choose the ids, and must
   * not make us call the provider as often as they like.
   */
  get(id: string, call: ProviderCall, ageMaxMs?: number): Promise<Key | undefined>;
  /** Has every key but this one asked for again before its next use. */
  doubtOthers(id: string): void;
}

interface Entry<Key> {
  readonly key: Key | undefined;
  fetchedAtMs: number;
}

/** Makes an empty cache. Callers who want the same key at the same time share one request. */
export function createKeyCache<Key>(options: KeyCacheOptions<Key>): KeyCache<Key> {
  const entries = new Map<string, Entry<Key>>();
  const inFlight = new Map<string, Promise<Key | undefined>>();
  const budget = createBudget();

  async function fetchKey(id: string, call: ProviderCall): Promise<Key | undefined> {
    const nowMs = call.now.getTime();
    if (!budget(nowMs)) throw new ProviderError("unavailable", { detail: "too many key lookups" });
    // Not the caller's signal: others may wait for the same answer.
    const key = await options.fetch(id, { now: call.now, timeoutMs: call.timeoutMs });
    entries.delete(id);
    makeRoom(entries);
    entries.set(id, { key, fetchedAtMs: nowMs });
    return key;
  }

  return {
    get: async (id, call, ageMaxMs = options.ageMaxMs) => {
      const entry = entries.get(id);
      if (entry !== undefined) {
        const ageMs = call.now.getTime() - entry.fetchedAtMs;
        const limitMs = entry.key === undefined ? unknownAgeMaxMs : ageMaxMs;
        // A clock that was set back makes ages negative; nothing is kept on its account.
        if (ageMs >= 0 && ageMs < limitMs) return entry.key;
      }
      const flight = inFlight.get(id) ?? fetchKey(id, call).finally(() => inFlight.delete(id));
      inFlight.set(id, flight);
      return await flight;
    },
    doubtOthers: (id) => {
      for (const [other, entry] of entries) if (other !== id) entry.fetchedAtMs = Number.NEGATIVE_INFINITY;
    },
  };
}

/** Ids that turned out to be nobody's go first: a forger makes those. */
function makeRoom<Key>(entries: Map<string, Entry<Key>>): void {
  if (entries.size < keysHeldMax) return;
  const unknown = [...entries].find(([, entry]) => entry.key === undefined)?.[0];
  const first = unknown ?? entries.keys().next().value;
  if (first !== undefined) entries.delete(first);
}

function createBudget(): (nowMs: number) => boolean {
  let startedAtMs = 0;
  let used = 0;
  return (nowMs) => {
    if (nowMs < startedAtMs || nowMs >= startedAtMs + minuteMs) {
      startedAtMs = nowMs;
      used = 0;
    }
    used += 1;
    return used <= fetchesPerMinuteMax;
  };
}
