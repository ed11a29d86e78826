import type { SealedBox } from "./sealed-box.ts";
import type { VaultOwner } from "./vault-store.ts";

/** Unwrapped data keys of this process. Only saves unwrapping: whether a key still exists is asked from the store each time. */
export interface DataKeyCache {
  /** The box of a data key of this owner; undefined when it is not here, or another owner's. */
  find(owner: VaultOwner, dataKeyId: string): SealedBox | undefined;
  /**
   * Keeps a box, wiping the oldest when there is no room, and returns the one to use. That is an earlier one where two callers unwrapped
   * the same key at once: it may be in use, so the later one is wiped. The cache wipes what it keeps; nobody else may.
   */
  keep(owner: VaultOwner, dataKeyId: string, box: SealedBox): SealedBox;
  /** Wipes every key. */
  clear(): void;
}

/** Options of `createDataKeyCache`. */
export interface DataKeyCacheOptions {
  readonly entriesMax: number;
  /** How long after it was unwrapped a key is wiped, used or not. */
  readonly lifeMs: number;
}

interface Entry {
  readonly tenant: string;
  readonly userId: string;
  readonly box: SealedBox;
  readonly endsAtMs: number;
}

/** Makes an empty cache. Keys that nobody asks for any more are wiped too, by a timer that does not hold the process. */
export function createDataKeyCache(options: DataKeyCacheOptions): DataKeyCache {
  // In the order they were kept, which is the order they end in.
  const entries = new Map<string, Entry>();
  let timer: NodeJS.Timeout | undefined;

  const wipe = (dataKeyId: string, entry: Entry): void => {
    entries.delete(dataKeyId);
    entry.box.wipe();
  };
  const wipeEnded = (): void => {
    timer = undefined;
    const nowMs = performance.now();
    for (const [dataKeyId, entry] of entries) {
      if (entry.endsAtMs > nowMs) {
        timer = setTimeout(wipeEnded, entry.endsAtMs - nowMs + 1).unref();
        return;
      }
      wipe(dataKeyId, entry);
    }
  };

  const find = (owner: VaultOwner, dataKeyId: string): SealedBox | undefined => {
    const entry = entries.get(dataKeyId);
    if (entry === undefined || entry.tenant !== owner.tenant || entry.userId !== owner.userId) return undefined;
    if (entry.endsAtMs > performance.now()) return entry.box;
    wipe(dataKeyId, entry);
    return undefined;
  };

  return {
    find,
    keep: (owner, dataKeyId, box) => {
      const first = find(owner, dataKeyId);
      if (first !== undefined) {
        box.wipe();
        return first;
      }
      const replaced = entries.get(dataKeyId);
      if (replaced !== undefined) wipe(dataKeyId, replaced);
      const oldest = entries.entries().next().value;
      if (entries.size >= options.entriesMax && oldest !== undefined) wipe(...oldest);
      const { tenant, userId } = owner;
      entries.set(dataKeyId, { tenant, userId, box, endsAtMs: performance.now() + options.lifeMs });
      timer ??= setTimeout(wipeEnded, options.lifeMs + 1).unref();
      return box;
    },
    clear: () => {
      clearTimeout(timer);
      timer = undefined;
      for (const [dataKeyId, entry] of entries) wipe(dataKeyId, entry);
    },
  };
}
