import { isTransient, ProviderError } from "./provider-error.ts";

const triesMax = 3;

/** Reads up to three times, at once, while the provider is down or limits us: once a code is spent, a hiccup must not cost its consent. */
export async function readPatiently<T>(read: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await read();
    } catch (error) {
      const isWorthAnother = error instanceof ProviderError && isTransient(error.failure) && tries < triesMax;
      if (!isWorthAnother) throw error;
    }
  }
}
