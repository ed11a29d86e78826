import type { ProviderCall } from "./connector.ts";
import type { TransactionPage } from "./provider-data.ts";

const linesMax = 1_000;

/** The page that has a run begin anew: its cursor was of another release, or what it speaks of is gone. */
export const beginningAgain: TransactionPage = Object.freeze({
  added: [],
  changed: [],
  removed: [],
  nextCursor: "",
  hasMore: true,
  restart: "beginning",
});

/** Whether a page that is read in spans has enough: a thousand lines, or half of its time over. `left` is what is left of it. */
export function isPageFull(
  lines: number,
  time: { readonly left: ProviderCall; readonly whole: ProviderCall },
): boolean {
  return lines >= linesMax || time.left.timeoutMs * 2 <= time.whole.timeoutMs;
}
