import type { ConnectionKey } from "./connection.ts";

/** What a run fetches: accounts alone, transactions with them, or new tokens. */
export type SyncKind = "transactions" | "accounts" | "tokens";

/** What asked for a run. */
export type SyncTrigger = "connect" | "manual" | "webhook" | "schedule";

/** Where a run is. */
export type SyncRunState = "queued" | "running" | "succeeded" | "failed";

/** One run over a connection's data. */
export interface SyncRun extends ConnectionKey {
  /** The job id callers are given. */
  readonly runId: string;
  readonly connector: string;
  readonly kind: SyncKind;
  readonly trigger: SyncTrigger;
  readonly state: SyncRunState;
  readonly attempts: number;
  readonly pages: number;
  readonly added: number;
  readonly changed: number;
  readonly removed: number;
  /** How many the provider named; undefined where it named none of them anew. */
  readonly accounts?: number;
  /** A stable word; empty unless it failed. */
  readonly error: string;
  readonly requestedAt: Date;
  readonly startedAt: Date | undefined;
  readonly finishedAt: Date | undefined;
}

/** What a run did. */
export type SyncCounts = Pick<SyncRun, "pages" | "added" | "changed" | "removed" | "accounts">;
