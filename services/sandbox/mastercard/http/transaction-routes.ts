import type { FastifyInstance, FastifyRequest } from "fastify";
import { queryOf } from "../../kit/http/request-fields.ts";
import type { TransactionRange, TransactionView } from "../account-desk.ts";
import { finicityError, missing } from "../domain/finicity-error.ts";
import type { Account } from "../domain/login.ts";
import { accountOf } from "./account-routes.ts";
import type { ApiDeps } from "./api-deps.ts";
import { customerOf } from "./customer-routes.ts";
import { pageOf } from "./read-request.ts";

type OfCustomer = FastifyRequest<{ Params: { customerId: string } }>;
type OfAccount = FastifyRequest<{ Params: { customerId: string; accountId: string } }>;
type Query = Readonly<Record<string, string>>;

const limitMax = 1_000;

/** Transactions, paged by place: a page may shift when an aggregation comes between two. */
export function addTransactionRoutes(scope: FastifyInstance, deps: ApiDeps): void {
  scope.get("/aggregation/v3/customers/:customerId/transactions", async (request: OfCustomer) => {
    const { customerId } = await customerOf(deps, request);
    return pageOfTransactions(deps, await deps.accounts.list({ customerId }), queryOf(request.query));
  });
  scope.get("/aggregation/v4/customers/:customerId/accounts/:accountId/transactions", async (request: OfAccount) => {
    return pageOfTransactions(deps, [await accountOf(deps, request)], queryOf(request.query));
  });
  scope.post(
    "/aggregation/v1/customers/:customerId/accounts/:accountId/transactions/historic",
    async (request: OfAccount, reply) => {
      await deps.accounts.loadHistory((await accountOf(deps, request)).accountId);
      return reply.code(204).send();
    },
  );
}

async function pageOfTransactions(deps: ApiDeps, accounts: readonly Account[], query: Query) {
  const range = rangeOf(query);
  const { start, limit } = pageOf(query, limitMax);
  const sort = query["sort"] === "asc" ? "asc" : "desc";
  const all = await Promise.all(accounts.map((account) => deps.desk.transactions(account, range)));
  const sorted = inOrder(all.flat(), sort);
  const transactions = sorted.slice(start - 1, start - 1 + limit);
  return {
    found: sorted.length,
    displaying: transactions.length,
    moreAvailable: String(start - 1 + transactions.length < sorted.length),
    fromDate: query["fromDate"],
    toDate: query["toDate"],
    sort,
    transactions,
  };
}

function inOrder(transactions: readonly TransactionView[], sort: "asc" | "desc"): readonly TransactionView[] {
  const sign = sort === "asc" ? 1 : -1;
  return transactions.toSorted(
    (one, other) => sign * (one.transactionDate - other.transactionDate || one.id - other.id),
  );
}

function rangeOf(query: Query): TransactionRange {
  const from = timeOf(query, "fromDate");
  // The whole of the last second.
  const to = new Date(timeOf(query, "toDate").getTime() + 999);
  if (from > to) throw finicityError("14020", "fromDate is after toDate");
  return { from, to, includePending: query["includePending"] === "true" };
}

function timeOf(query: Query, name: string): Date {
  const text = query[name];
  if (text === undefined) throw missing(name);
  if (!/^\d{1,11}$/.test(text)) throw finicityError("1618");
  return new Date(Number.parseInt(text, 10) * 1_000);
}
