import type { FastifyInstance, FastifyRequest } from "fastify";
import { queryOf } from "../../kit/http/request-fields.ts";
import type { AccountView, TransactionView } from "../data-desk.ts";
import { basiqError } from "../domain/basiq-error.ts";
import { type Condition, fulfils, parseFilter } from "../domain/filter.ts";
import type { Connection } from "../domain/records.ts";
import type { Settings } from "../domain/settings.ts";
import type { ApiDeps } from "./api-deps.ts";
import { listOf, type PageStart, readNext, writeNext } from "./lists.ts";
import { requireUser } from "./user-routes.ts";

type UserRequest = FastifyRequest<{ Params: { userId: string } }>;
type AccountRequest = FastifyRequest<{ Params: { userId: string; accountId: string } }>;

const limitMax = 500;
const accountFilters = ["account.id", "connection.id", "institution.id"];
const transactionFilters = [
  "account.id",
  "connection.id",
  "institution.id",
  "transaction.postDate",
  "transaction.status",
  "transaction.direction",
  "transaction.class",
];

/** Accounts, and transactions in pages. */
export function addDataRoutes(api: FastifyInstance, deps: ApiDeps): void {
  api.get("/users/:userId/accounts", async (request: UserRequest) => {
    const { userId } = await requireUser(deps, request);
    const filter = parseFilter(queryOf(request.query)["filter"], accountFilters);
    const accounts = (await accountsOf(deps, userId)).filter((each) => isWanted(filter, each));
    return listOf(`${deps.origin}/users/${userId}/accounts`, accounts);
  });
  api.get("/users/:userId/accounts/:accountId", async (request: AccountRequest) => {
    const { userId } = await requireUser(deps, request);
    const account = (await accountsOf(deps, userId)).find((each) => each.id === request.params.accountId);
    if (account === undefined) throw basiqError("resource-not-found");
    return account;
  });
  api.get("/users/:userId/transactions", async (request: UserRequest) => {
    const { userId } = await requireUser(deps, request);
    const { settings } = await deps.moment();
    const start = startOf(queryOf(request.query), settings);
    const filter = parseFilter(start.filter, transactionFilters);
    const connections = await sharedConnections(deps, userId);
    const all = (await Promise.all(connections.map((each) => deps.desk.transactions(each)))).flat();
    const wanted = all.filter((each) => isWantedTransaction(filter, each));
    const data = wanted.slice(start.offset, start.offset + start.limit);
    const self = `${deps.origin}/users/${userId}/transactions`;
    const next = nextOf(start, wanted.length, settings);
    const place = settings.paging === "elsewhere" ? self.replace(deps.origin, "https://elsewhere.example") : self;
    const links = { self, ...(next !== undefined && { next: `${place}?next=${writeNext(next)}` }) };
    return { type: "list", count: data.length, size: wanted.length, data, links };
  });
}

async function accountsOf(deps: ApiDeps, userId: string): Promise<readonly AccountView[]> {
  const connections = await sharedConnections(deps, userId);
  return (await Promise.all(connections.map((each) => deps.desk.accounts(each)))).flat();
}

/** Data is for those who have a consent: after one that ended there is none to be seen. */
async function sharedConnections(deps: ApiDeps, userId: string): Promise<readonly Connection[]> {
  const consents = await deps.consents.list(userId);
  const { now } = await deps.moment();
  const isActive = consents.some((each) => each.status === "active" && each.expiresAt > now);
  if (consents.length > 0 && !isActive) throw basiqError("forbidden-access");
  return await deps.connections.list(userId);
}

function isWanted(filter: readonly Condition[], view: Pick<AccountView, "id" | "connection" | "institution">): boolean {
  return (
    fulfils(filter, "account.id", view.id) &&
    fulfils(filter, "connection.id", view.connection) &&
    fulfils(filter, "institution.id", view.institution)
  );
}

function isWantedTransaction(filter: readonly Condition[], view: TransactionView): boolean {
  return (
    isWanted(filter, { id: view.account, connection: view.connection, institution: view.institution }) &&
    // Days are compared as days; what is pending has none.
    fulfils(filter, "transaction.postDate", view.postDate?.slice(0, 10) ?? null) &&
    fulfils(filter, "transaction.status", view.status) &&
    fulfils(filter, "transaction.direction", view.direction) &&
    fulfils(filter, "transaction.class", view.class)
  );
}

function startOf(query: Readonly<Record<string, string>>, settings: Settings): PageStart {
  const { next, limit = String(limitMax), filter = "" } = query;
  if (next !== undefined) return readNext(next);
  const asked = /^\d{1,3}$/.test(limit) ? Number.parseInt(limit, 10) : 0;
  if (asked < 1 || asked > limitMax) throw basiqError("parameter-not-valid", { parameter: "limit" });
  return { offset: 0, limit: Math.min(asked, settings.pageSizeMax), filter };
}

function nextOf(start: PageStart, size: number, { paging }: Settings): PageStart | undefined {
  const offset = start.offset + start.limit;
  if (offset >= size) return undefined;
  if (paging === "loop") return start;
  return { ...start, offset: paging === "duplicates" ? offset - 1 : offset };
}
