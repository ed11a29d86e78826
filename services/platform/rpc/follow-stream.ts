import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "../telemetry/logger.ts";

export interface FollowOptions<E> {
  /** Opens the stream anew; called once for each connection. */
  open(signal: AbortSignal): AsyncIterable<E>;
  /** Applies one event, in order. What it throws ends this connection and a new one starts from the snapshot. */
  onEvent(event: E): void | Promise<void>;
  /** Told when a connection ends, before the next is tried. */
  onDisconnect?(): void;
  /** A stream silent for this long is dead; the server must send keep-alives more often. */
  readonly staleAfterMs: number;
  /** What is followed, for the log. */
  readonly label: string;
  readonly log: Logger;
}

const backoffMsMin = 100;
const backoffMsMax = 2_000;

/** Follows a server stream for ever, reconnecting with jittered back-off. `stop` ends it and waits for the last event. */
export function followStream<E>(options: FollowOptions<E>): { stop(): Promise<void> } {
  const stopped = new AbortController();
  const running = follow(options, stopped.signal);
  return {
    stop: async () => {
      stopped.abort();
      await running;
    },
  };
}

async function follow<E>(options: FollowOptions<E>, stopped: AbortSignal): Promise<void> {
  let backoffMs = backoffMsMin;
  while (!stopped.aborted) {
    const events = await readOnce(options, stopped);
    if (stopped.aborted) return;
    options.onDisconnect?.();
    backoffMs = events > 0 ? backoffMsMin : Math.min(backoffMs * 2, backoffMsMax);
    await sleep(backoffMs * (0.5 + Math.random()), undefined, { signal: stopped }).catch(() => {});
  }
}

/** Reads one connection to its end; returns how many events it brought. */
async function readOnce<E>(options: FollowOptions<E>, stopped: AbortSignal): Promise<number> {
  const connection = new AbortController();
  const end = (): void => connection.abort();
  stopped.addEventListener("abort", end, { once: true });
  let timer = setTimeout(end, options.staleAfterMs);
  let events = 0;
  try {
    for await (const event of options.open(connection.signal)) {
      clearTimeout(timer);
      timer = setTimeout(end, options.staleAfterMs);
      await options.onEvent(event);
      events += 1;
    }
  } catch (cause) {
    if (!stopped.aborted) options.log.warn({ label: options.label, err: cause }, "stream lost; reconnecting");
  } finally {
    clearTimeout(timer);
    stopped.removeEventListener("abort", end);
  }
  return events;
}
