import type { Logger } from "pino";
import { every } from "../../platform/jobs/every.ts";
import type { ChangeReader } from "../storage/change-reader.ts";

/** Well below the second within which followers learn of a change; one short read a turn while anybody follows. */
const pollMs = 200;
/** A replica that has not seen the database for this long no longer vouches for what its followers hold. */
const staleAfterMs = 10_000;

/** One stream's seat at the feed. Whoever took it releases it. */
export interface Follower {
  /** Resolves true once something after `revision` is committed, false after `timeoutMs` or when the feed or signal ends. */
  changedAfter(revision: bigint, options: { timeoutMs: number; signal: AbortSignal }): Promise<boolean>;
  release(): void;
}

/** Tells every stream of this replica when something changed anywhere, by looking at one row. */
export interface ChangeFeed {
  follow(): Follower;
  /** Whether the database answered lately. */
  isFresh(): boolean;
  /** Whether `stop` was called: streams end then. */
  readonly stopped: boolean;
  stop(): Promise<void>;
}

/** A feed that polls while it has followers. */
export function createChangeFeed(deps: { reader: ChangeReader; log: Pick<Logger, "error"> }): ChangeFeed {
  const waiting = new Set<() => void>();
  let followers = 0;
  let latest = 0n;
  let seenAtMs = performance.now();
  let stopped = false;

  const loop = every({ label: "registry change feed", intervalMs: pollMs, log: deps.log, work: look });

  async function look(): Promise<void> {
    if (followers === 0) return;
    const revision = await deps.reader.revision();
    seenAtMs = performance.now();
    if (revision === latest) return;
    latest = revision;
    wakeAll();
  }

  function wakeAll(): void {
    for (const wake of [...waiting]) wake();
  }

  function changedAfter(revision: bigint, options: { timeoutMs: number; signal: AbortSignal }): Promise<boolean> {
    return new Promise((resolve) => {
      const finish = () => {
        clearTimeout(timer);
        waiting.delete(wake);
        options.signal.removeEventListener("abort", finish);
        resolve(latest > revision);
      };
      const wake = () => {
        if (latest > revision || stopped) finish();
      };
      const timer = setTimeout(finish, options.timeoutMs);
      options.signal.addEventListener("abort", finish, { once: true });
      waiting.add(wake);
      if (options.signal.aborted) finish();
      else wake();
    });
  }

  return {
    follow: () => {
      // Nobody looked while nobody followed; the stream's own first read proves the database is there.
      if (followers === 0) seenAtMs = performance.now();
      followers += 1;
      let released = false;
      return {
        changedAfter,
        release: () => {
          if (!released) followers -= 1;
          released = true;
        },
      };
    },
    isFresh: () => performance.now() - seenAtMs < staleAfterMs,
    get stopped() {
      return stopped;
    },
    stop: async () => {
      stopped = true;
      wakeAll();
      await loop.stop();
    },
  };
}
