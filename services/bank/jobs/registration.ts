import type { Logger } from "pino";
import { type RegistryClient, RegistryRefusal } from "../clients/registry.ts";

const heartbeatMs = 15_000;
const firstRetryMs = 500;
const retryMaxMs = 10_000;

/** How a bank stays known to the registry. */
export interface RegistrationOptions {
  readonly registry: RegistryClient;
  readonly log: Pick<Logger, "info" | "warn">;
  /** 15 seconds unless told. */
  readonly heartbeatMs?: number;
  /** Half a second unless told; doubles up to ten seconds. */
  readonly firstRetryMs?: number;
}

/**
 * Registers the bank in the background and then says every 15 seconds that it is alive. Nothing waits for it: a bank
 * serves without a registry, and a registry that was down or has forgotten the bank gets it again.
 */
export function startRegistration(options: RegistrationOptions): { stop(): Promise<void> } {
  const stopping = new AbortController();
  const ended = keepRegistered(options, stopping.signal);
  return {
    stop: () => {
      stopping.abort();
      return ended;
    },
  };
}

async function keepRegistered(options: RegistrationOptions, signal: AbortSignal): Promise<void> {
  const { registry, log } = options;
  const firstMs = options.firstRetryMs ?? firstRetryMs;
  let registered = false;
  let retryMs = firstMs;
  while (!signal.aborted) {
    try {
      if (registered) await registry.beat(signal);
      else {
        await registry.register(signal);
        log.info("registered with the registry");
      }
      registered = true;
      retryMs = firstMs;
      await pause(options.heartbeatMs ?? heartbeatMs, signal);
    } catch (error) {
      if (signal.aborted) return;
      // After a refused heartbeat the whole record is sent again: the registry may be a new one.
      if (error instanceof RegistryRefusal) registered = false;
      log.warn({ err: error, delayMs: retryMs }, "registry not reached");
      await pause(retryMs * (0.75 + Math.random() / 2), signal);
      retryMs = Math.min(retryMs * 2, retryMaxMs);
    }
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const finish = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", finish);
      resolve();
    };
    const timer = setTimeout(finish, ms);
    signal.addEventListener("abort", finish);
  });
}
