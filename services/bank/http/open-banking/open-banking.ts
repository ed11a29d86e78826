import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { Logger } from "pino";
import { DomainError } from "../../../platform/errors/domain-error.ts";
import { errorBody, translateError } from "../../../platform/errors/error-table.ts";
import { reasonOfHttpError } from "../../../platform/http/http-errors.ts";
import { isUuid } from "../../../platform/ids/uuidv7.ts";
import { toMajorNumber } from "../../../platform/money/amount.ts";
import { parseCurrency } from "../../../platform/money/currency.ts";
import type { Clock } from "../../../platform/time/clock.ts";
import type { AccountStore, AccountView, TransactionView } from "../../storage/account-store.ts";
import { type BankAccess, type ReadBankAccess, requireAccess } from "./bank-access.ts";
import { openBankingErrors } from "./open-banking-errors.ts";
import { readPaging, readPeriod, toPage } from "./query-parameters.ts";

const accountsScope = "fdx:accountdetailed:read";
const transactionsScope = "fdx:transactions:read";
const contactScopes = ["email", "fdx:customercontact:read"];

/** What Open Banking needs. */
export interface OpenBankingDeps {
  readonly accounts: AccountStore;
  readonly readAccess: ReadBankAccess;
  readonly clock: Clock;
  readonly log: Pick<Logger, "error">;
}

/** Mounts Open Banking; register with prefix `/open-banking`. Only accounts the customer consented to exist here. */
export async function openBanking(app: FastifyInstance, deps: OpenBankingDeps): Promise<void> {
  app.setErrorHandler((thrown, request, reply) => {
    const error = translateError(openBankingErrors, reasonOfHttpError(thrown));
    if (error.http >= 500) deps.log.error({ requestId: request.id, reason: error.reason, err: thrown }, "read failed");
    return reply.code(error.http).type("application/json; charset=utf-8").send(errorBody(error));
  });
  const accessFor = (request: FastifyRequest, reply: FastifyReply, scope: string | undefined) =>
    requireAccess(deps.readAccess, request, reply, scope);

  app.get("/accounts", async (request, reply) => {
    const access = await accessFor(request, reply, accountsScope);
    const paging = readPaging(request.query);
    const { shown, page } = toPage(await deps.accounts.list(access, paging), paging);
    const accounts = shown.map((account) => toAccount(account, deps.clock.now()));
    return page === undefined ? { accounts } : { accounts, page };
  });

  app.get<{ Params: { id: string } }>("/accounts/:id", async (request, reply) => {
    const access = await accessFor(request, reply, accountsScope);
    const account = await findAccount(deps, access, request.params.id);
    const holder = { name: account.holderName, email: account.holderEmail };
    return { account: { ...toAccount(account, deps.clock.now()), accountHolder: holder } };
  });

  app.get<{ Params: { id: string } }>("/accounts/:id/transactions", async (request, reply) => {
    const access = await accessFor(request, reply, transactionsScope);
    const paging = readPaging(request.query);
    const period = readPeriod(request.query, deps.clock.now());
    const account = await findAccount(deps, access, request.params.id);
    const rows = await deps.accounts.transactions(account.id, period, paging);
    const { shown, page } = toPage(rows, paging);
    const transactions = shown.map((row) => toTransaction(row, account.currency));
    return page === undefined ? { transactions } : { transactions, page };
  });

  // The path of older clients; the scope is not asked there, the consented accounts still decide.
  app.get<{ Params: { fiUserRef: string } }>("/users/:fiUserRef/accounts", async (request, reply) => {
    const access = await accessFor(request, reply, undefined);
    if (access.fiUserRef !== request.params.fiUserRef) throw new DomainError("PERMISSION_DENIED");
    const paging = readPaging(request.query);
    const { shown, page } = toPage(await deps.accounts.list(access, paging), paging);
    const accounts = shown.map((account) => toLegacyAccount(account, deps.clock.now()));
    return page === undefined ? { accounts } : { accounts, page };
  });

  app.get("/customers/current", async (request, reply) => {
    const access = await accessFor(request, reply, "openid");
    const customer = await deps.accounts.customer(access.fiUserRef);
    if (customer === undefined) throw new DomainError("NOT_FOUND");
    const { fiUserRef, displayName, locale } = customer;
    // A token of a client that was not granted the address does not get it by this door either.
    const contact = contactScopes.some((scope) => access.scopes.has(scope)) ? { email: customer.email } : {};
    return { customer: { customerId: fiUserRef, fiUserRef, name: displayName, locale, ...contact } };
  });
}

async function findAccount(deps: OpenBankingDeps, access: BankAccess, id: string): Promise<AccountView> {
  const account = isUuid(id) ? await deps.accounts.find(access, id) : undefined;
  if (account === undefined) throw new DomainError("NOT_FOUND");
  return account;
}

function toAccount(account: AccountView, asOf: Date) {
  const balance = toMajorNumber(account.balanceMinor, parseCurrency(account.currency));
  return {
    accountId: account.id,
    accountNumber: account.maskedNumber,
    accountNumberDisplay: account.maskedNumber,
    accountType: account.kind,
    accountName: account.name,
    nickname: account.name,
    status: account.status,
    currency: { currencyCode: account.currency },
    balance: { current: balance, available: balance, asOf: asOf.toISOString() },
    accountHolder: { name: account.holderName },
    openedDate: account.openedOn,
  };
}

function toLegacyAccount(account: AccountView, asOf: Date) {
  return { ...toAccount(account, asOf), accountNumberMasked: account.maskedNumber, currency: account.currency };
}

function toTransaction(row: TransactionView, currencyCode: string) {
  const currency = parseCurrency(currencyCode);
  return {
    transactionId: row.id,
    transactionType: row.kind.toUpperCase(),
    amount: toMajorNumber(row.amountMinor < 0n ? -row.amountMinor : row.amountMinor, currency),
    debitCreditMemo: row.amountMinor < 0n ? "DEBIT" : "CREDIT",
    status: "POSTED",
    description: row.description,
    postedTimestamp: row.postedAt.toISOString(),
    runningBalance: toMajorNumber(row.balanceAfterMinor, currency),
  };
}
