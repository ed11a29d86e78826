import { DomainError } from "../../platform/errors/domain-error.ts";
import type { ProviderTransaction, TransactionPage } from "../connectors/provider-data.ts";
import { isScopeLimited } from "../connectors/provider-error.ts";

const pagesMax = 400;
const restartsMax = 3;
const transactionsMax = 50_000;

/** Everything that changed since a cursor. */
export interface Changes {
  /** Unique by id; what was told last counts. */
  readonly saved: readonly ProviderTransaction[];
  readonly removed: readonly string[];
  readonly cursor: string;
  readonly pages: number;
  /** The provider showed no more of it without the user; the rest comes after `cursor` when it does. */
  readonly isLimited: boolean;
}

/**
 * Collects the pages of one run. Nothing is stored before the last one: data that moves while it is paged makes the run begin again,
 * and what the first attempt saw may never be mentioned again. Where the provider stops because it wants the user beside it, what it
 * showed before is what there is. A provider that pages without end, repeats its cursor, or keeps moving,
 * fails as `PROVIDER_UNAVAILABLE`.
 */
export async function fetchChanges(
  cursor: string,
  fetchPage: (cursor: string) => Promise<TransactionPage>,
): Promise<Changes> {
  let first = cursor;
  let pages = 0;
  for (let restarts = 0; restarts <= restartsMax; restarts += 1) {
    const attempt = await collect(first, fetchPage, pagesMax - pages);
    pages += attempt.pages;
    if (attempt.restart === undefined) return { ...attempt.changes, pages, isLimited: attempt.isLimited };
    if (attempt.restart === "beginning") first = "";
  }
  throw new DomainError("PROVIDER_UNAVAILABLE", { why: "data_moving" });
}

interface Attempt {
  readonly changes: Omit<Changes, "pages" | "isLimited">;
  readonly pages: number;
  readonly isLimited: boolean;
  readonly restart: "run" | "beginning" | undefined;
}

async function collect(
  first: string,
  fetchPage: (cursor: string) => Promise<TransactionPage>,
  pagesLeft: number,
): Promise<Attempt> {
  const saved = new Map<string, ProviderTransaction>();
  const removed = new Set<string>();
  let cursor = first;
  for (let pages = 1; pages <= pagesLeft; pages += 1) {
    const page = await fetchPage(cursor).catch(limitedPage);
    const changes = { saved: [...saved.values()], removed: [...removed], cursor };
    if (page === undefined) return { changes, pages: pages - 1, isLimited: true, restart: undefined };
    if (page.restart !== undefined) return { changes, pages, isLimited: false, restart: page.restart };
    for (const each of [...page.added, ...page.changed]) {
      removed.delete(each.transactionId);
      saved.set(each.transactionId, each);
    }
    for (const id of page.removed) {
      saved.delete(id);
      removed.add(id);
    }
    if (!page.hasMore) {
      const whole = { saved: [...saved.values()], removed: [...removed], cursor: page.nextCursor };
      return { changes: whole, pages, isLimited: false, restart: undefined };
    }
    // A provider that repeats its cursor would be asked for ever.
    if (page.nextCursor === cursor) throw new DomainError("PROVIDER_UNAVAILABLE", { why: "cursor_loop" });
    if (saved.size > transactionsMax) throw new DomainError("PROVIDER_UNAVAILABLE", { why: "too_many_transactions" });
    cursor = page.nextCursor;
  }
  throw new DomainError("PROVIDER_UNAVAILABLE", { why: "too_many_pages" });
}

function limitedPage(error: unknown): undefined {
  if (!isScopeLimited(error)) throw error;
}
