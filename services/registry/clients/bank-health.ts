import { Agent, request } from "undici";
import { publicLookup } from "./public-lookup.ts";

const responseBytesMax = 64 * 1024;
const connectionsPerBankMax = 2;

/** Asks banks whether they are up. */
export interface BankHealthClient {
  /** Whether `{apiBaseUrl}/health` answers 2xx in time. Never throws: any fault is a no. Redirects are not followed. */
  isUp(apiBaseUrl: string, signal: AbortSignal): Promise<boolean>;
  close(): Promise<void>;
}

/** `rules` production keeps connections off private addresses. */
export function createBankHealthClient(options: {
  readonly timeoutMs: number;
  readonly rules: "local" | "production";
}): BankHealthClient {
  const agent = new Agent({
    connections: connectionsPerBankMax,
    maxResponseSize: responseBytesMax,
    connect: { timeout: options.timeoutMs, ...(options.rules === "production" ? { lookup: publicLookup } : {}) },
  });
  return {
    isUp: async (apiBaseUrl, signal) => {
      const limited = AbortSignal.any([signal, AbortSignal.timeout(options.timeoutMs)]);
      try {
        const { statusCode, body } = await request(`${apiBaseUrl}/health`, {
          dispatcher: agent,
          headers: { accept: "application/json", "user-agent": "paymesh-registry" },
          headersTimeout: options.timeoutMs,
          bodyTimeout: options.timeoutMs,
          signal: limited,
        });
        // Without the signal an answer that never ends would count as one.
        await body.dump({ limit: responseBytesMax, signal: limited });
        return statusCode >= 200 && statusCode < 300;
      } catch {
        return false;
      }
    },
    close: () => agent.destroy(),
  };
}
