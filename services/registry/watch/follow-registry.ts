import { DomainError } from "../../platform/errors/domain-error.ts";
import type { Change, ChangeReader } from "../storage/change-reader.ts";
import type { ChangeFeed } from "./change-feed.ts";

/** Rows read at a time: bounds the memory of a stream however many rows there are. */
const pageRowsMax = 200;
const keepaliveMs = 5_000;

/** What a follower is told. */
export type RegistryEvent =
  | Change
  | { readonly kind: "snapshot_complete"; readonly revision: bigint }
  | { readonly kind: "keepalive"; readonly revision: bigint };

/** What a stream needs. `keepaliveEveryMs` is 5 s when absent. */
export interface FollowDeps {
  readonly reader: ChangeReader;
  readonly feed: ChangeFeed;
  readonly keepaliveEveryMs?: number;
}

/**
 * Every row there is, then `snapshot_complete`, then each change in the order of its commit, and a keepalive while nothing
 * changes. A row that changes during the snapshot comes again before the snapshot ends. Ends when the signal aborts or
 * the feed stops.
 * @throws DomainError UNAVAILABLE when the database has been silent for too long: the follower turns to another replica.
 */
export async function* followRegistry(deps: FollowDeps, signal: AbortSignal): AsyncGenerator<RegistryEvent> {
  const timeoutMs = deps.keepaliveEveryMs ?? keepaliveMs;
  const follower = deps.feed.follow();
  try {
    let cursor = yield* readAll(deps.reader, 0n, signal);
    yield { kind: "snapshot_complete", revision: cursor };
    while (!signal.aborted && !deps.feed.stopped) {
      const changed = await follower.changedAfter(cursor, { timeoutMs, signal });
      if (signal.aborted || deps.feed.stopped) return;
      if (changed) cursor = yield* readAll(deps.reader, cursor, signal);
      else if (deps.feed.isFresh()) yield { kind: "keepalive", revision: cursor };
      else throw new DomainError("UNAVAILABLE");
    }
  } finally {
    follower.release();
  }
}

/** Reads pages until one is complete; returns the revision up to which everything was told. */
async function* readAll(reader: ChangeReader, from: bigint, signal: AbortSignal): AsyncGenerator<Change, bigint> {
  let cursor = from;
  for (;;) {
    const page = await reader.changesAfter(cursor, pageRowsMax);
    yield* page.changes;
    cursor = page.revision;
    if (page.complete || signal.aborted) return cursor;
  }
}
