import type { FastifyInstance } from "fastify";
import { z } from "zod";
import { optional } from "../../kit/http/request-fields.ts";
import { accountIdOf } from "../domain/feed.ts";
import type { Item } from "../domain/item.ts";
import { plaidError } from "../domain/plaid-error.ts";
import { cursorLengthMax, readCursor, type SyncPosition, writeCursor } from "../domain/sync-cursor.ts";
import type { ApiDeps } from "./api-deps.ts";
import { usableItem } from "./item-access.ts";
import { readRequest } from "./read-request.ts";
import { accountsJson, sharedAccounts, transactionJson } from "./wire.ts";

const countDefault = 100;
const countMax = 500;
const syncBody = z.object({
  access_token: z.string().max(200),
  cursor: optional(z.string().max(cursorLengthMax)),
  count: optional(z.number().int().min(1).max(countMax)),
  options: optional(
    z.object({
      account_id: optional(z.string().max(64)),
      include_original_description: optional(z.boolean()),
    }),
  ),
});

/** Transactions by cursor, and the request to look for new ones. */
export function addTransactionRoutes(app: FastifyInstance, deps: ApiDeps): void {
  app.post("/transactions/sync", async (request) => {
    const body = readRequest(syncBody, request.body);
    const item = await usableItem(deps, body.access_token);
    requireTransactions(item);
    await deps.feed.noteSync(item.id);
    const page = await deps.feed.page(positionOf(item, body.cursor ?? ""), {
      count: body.count ?? countDefault,
      accountKey: accountKeyOf(item, body.options?.account_id),
    });
    if (page === "mutated") throw plaidError("TRANSACTIONS_SYNC_MUTATION_DURING_PAGINATION");
    const originalDescription = body.options?.include_original_description ?? false;
    const told = (row: (typeof page.added)[number]) => transactionJson(item, row, { originalDescription });
    return {
      transactions_update_status: item.updateStatus,
      accounts: accountsJson(item, await deps.feed.sums(item.id)),
      added: page.added.map(told),
      modified: page.modified.map(told),
      removed: page.removed.map((row) => ({
        transaction_id: row.transaction_id,
        account_id: accountIdOf(item.id, row.account_key),
      })),
      // Before the first change there is nothing to stand at.
      next_cursor: page.next.base === 0n && !page.hasMore ? "" : writeCursor(page.next),
      has_more: page.hasMore,
      request_id: request.id,
    };
  });
  app.post("/transactions/refresh", async (request) => {
    const { access_token } = readRequest(z.object({ access_token: z.string().max(200) }), request.body);
    const item = await usableItem(deps, access_token);
    requireTransactions(item);
    await deps.feed.requestRefresh(item.id, new Date(deps.clock.now().getTime() + deps.refreshMs));
    return { request_id: request.id };
  });
}

function requireTransactions(item: Item): void {
  if (!item.products.includes("transactions")) {
    throw plaidError(
      "PRODUCTS_NOT_SUPPORTED",
      'the following products are not supported by this item: ["transactions"]',
    );
  }
}

function positionOf(item: Item, cursor: string): SyncPosition {
  if (cursor === "" || cursor === "now") {
    return { itemId: item.id, base: cursor === "now" ? item.changeCount : 0n, paging: undefined };
  }
  const position = readCursor(cursor);
  if (position === undefined || position.itemId !== item.id) {
    throw plaidError("INVALID_FIELD", "cursor not associated with access_token");
  }
  return position;
}

function accountKeyOf(item: Item, accountId: string | undefined): string | undefined {
  if (accountId === undefined) return undefined;
  const account = sharedAccounts(item).find((each) => accountIdOf(item.id, each.key) === accountId);
  if (account === undefined) throw plaidError("INVALID_ACCOUNT_ID");
  return account.key;
}
