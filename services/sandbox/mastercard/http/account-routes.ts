import { setTimeout as delay } from "node:timers/promises";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { notesOf } from "../../kit/http/call-notes.ts";
import { queryOf } from "../../kit/http/request-fields.ts";
import { accountView } from "../account-desk.ts";
import { finicityError } from "../domain/finicity-error.ts";
import type { Account } from "../domain/login.ts";
import type { ApiDeps } from "./api-deps.ts";
import { customerOf } from "./customer-routes.ts";
import { idOf } from "./read-request.ts";

type OfCustomer = FastifyRequest<{ Params: { customerId: string } }>;
type OfAccount = FastifyRequest<{ Params: { customerId: string; accountId: string } }>;
type OfLogin = FastifyRequest<{ Params: { customerId: string; loginId: string } }>;

const base = "/aggregation/v1/customers/:customerId";

/** Accounts as of their last aggregation, and the request for one. */
export function addAccountRoutes(scope: FastifyInstance, deps: ApiDeps): void {
  scope.get(`${base}/accounts`, async (request: OfCustomer) => {
    const { customerId } = await customerOf(deps, request);
    // Every account here is active; those with status pending are still being discovered, inside Connect.
    const wanted = queryOf(request.query)["status"] !== "pending";
    return told(deps, wanted ? await deps.accounts.list({ customerId }) : []);
  });
  for (const version of ["v1", "v2"]) {
    scope.post(`/aggregation/${version}/customers/:customerId/accounts`, async (request: OfCustomer) => {
      const { customerId } = await customerOf(deps, request);
      return refreshed(deps, { customerId });
    });
  }
  scope.get("/aggregation/v2/customers/:customerId/accounts/:accountId", async (request: OfAccount) => {
    return deps.desk.tell(await accountOf(deps, request));
  });
  scope.delete(`${base}/accounts/:accountId`, async (request: OfAccount, reply) => {
    const { now } = await deps.moment();
    await deps.accounts.remove((await accountOf(deps, request)).accountId, now);
    return reply.code(204).send();
  });
  scope.get(`${base}/accounts/simple`, async (request: OfCustomer) => {
    const { customerId } = await customerOf(deps, request);
    return { accounts: (await deps.accounts.list({ customerId })).map(accountView) };
  });
  scope.get(`${base}/institutionLogins/:loginId/accounts`, async (request: OfLogin) => {
    return told(deps, await accountsOfLogin(deps, request));
  });
  scope.post(`${base}/institutionLogins/:loginId/accounts`, async (request: OfLogin) => {
    const [first] = await accountsOfLogin(deps, request);
    return refreshed(deps, { loginId: first?.login.loginId });
  });
  scope.delete(`${base}/institutionLogins/:loginId`, async (request: OfLogin, reply) => {
    const { customerId } = await customerOf(deps, request);
    const { now } = await deps.moment();
    if (!(await deps.logins.remove(customerId, idOf(request.params.loginId) ?? 0n, now))) throw finicityError("38007");
    return reply.code(204).send();
  });
}

/** The account a path names. Throws 14001, also for one of another customer. */
export async function accountOf(deps: ApiDeps, request: OfAccount): Promise<Account> {
  const { customerId } = await customerOf(deps, request);
  notesOf(request).subject = String(customerId);
  const [account] = await deps.accounts.list({ customerId, accountId: idOf(request.params.accountId) ?? 0n });
  if (account === undefined) throw finicityError("14001");
  return account;
}

async function accountsOfLogin(deps: ApiDeps, request: OfLogin): Promise<readonly Account[]> {
  const { customerId } = await customerOf(deps, request);
  const accounts = await deps.accounts.list({ customerId, loginId: idOf(request.params.loginId) ?? 0n });
  if (accounts.length === 0) throw finicityError("38007");
  return accounts;
}

async function refreshed(deps: ApiDeps, filter: { customerId?: bigint | undefined; loginId?: bigint | undefined }) {
  const { settings, now } = await deps.moment();
  await delay(settings.refreshMs);
  await deps.accounts.aggregate(filter, now, new Date(now.getTime() + settings.aggregationSeconds * 1_000));
  return told(deps, await deps.accounts.list(filter));
}

async function told(deps: ApiDeps, accounts: readonly Account[]) {
  return { accounts: await Promise.all(accounts.map((account) => deps.desk.tell(account))) };
}
