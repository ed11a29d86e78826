import { z } from "zod";
import type { ConnectionAccess, ProviderCall } from "../connector.ts";
import type { ProviderAccount } from "../provider-data.ts";
import { ProviderError } from "../provider-error.ts";
import { currencyOf, minorOf } from "../provider-money.ts";
import { readLoginAccess } from "./login-access.ts";
import { idShape, type MastercardApi, MastercardRefusal } from "./mastercard-api.ts";

const accountsMax = 1_000;
const epochSeconds = z.number().int().min(0).max(99_999_999_999);
const amount = z.string().max(60).nullish();
const accountShape = z.looseObject({
  id: idShape,
  customerId: idShape,
  institutionId: idShape,
  institutionLoginId: idShape,
  name: z.string().max(300).nullish(),
  accountNickname: z.string().max(300).nullish(),
  accountNumberDisplay: z.string().max(40).nullish(),
  type: z.string().max(60),
  currency: z.string().max(8).nullish(),
  balance: amount,
  detail: z.looseObject({ availableBalanceAmount: amount, creditAvailableAmount: amount }).nullish(),
  aggregationStatusCode: z.number().int().nullish(),
  balanceDate: epochSeconds.nullish(),
  aggregationSuccessDate: epochSeconds.nullish(),
  aggregationAttemptDate: epochSeconds.nullish(),
  createdDate: epochSeconds.nullish(),
  authorizationStartDate: epochSeconds.nullish(),
  authorizationEndDate: epochSeconds.nullish(),
});
const accountsShape = z.looseObject({ accounts: z.array(accountShape).max(accountsMax) });

/** An account as Mastercard tells it; ids and amounts are text. */
export type MastercardAccount = z.infer<typeof accountShape>;

/** Codes after which the institution waits for the person: a password, a second factor, a consent. Connect Fix repairs them. */
const personCodes: ReadonlySet<number> = new Set([103, 108, 109, 185, 187, 945, 946, 947, 948]);
const debtTypes: ReadonlySet<string> = new Set(["creditCard", "lineOfCredit", "loan", "mortgage", "studentLoan"]);
/** Deposits and loans, where money leaves as a number below zero; cards and investments are written the other way round. */
const straightTypes: ReadonlySet<string> = new Set([
  "checking",
  "savings",
  "cd",
  "moneyMarket",
  "loan",
  "mortgage",
  "studentLoan",
]);

/** Whether the amounts of an account's transactions have to be turned to have money out below zero. */
export function isSignTurned(account: Pick<MastercardAccount, "type">): boolean {
  return !straightTypes.has(account.type);
}

/** All accounts of a customer. Throws `grant_refused` when the customer is gone. */
export async function accountsOfCustomer(
  api: MastercardApi,
  customerId: string,
  call: ProviderCall,
): Promise<readonly MastercardAccount[]> {
  try {
    return (await api.get(`/aggregation/v1/customers/${customerId}/accounts`, accountsShape, call)).accounts;
  } catch (error) {
    throw asGone(error);
  }
}

/**
 * The accounts of a login. Throws `grant_refused` when nothing is left of it, and `reauthorize` when its institution waits for the
 * person since the last authorization.
 */
export async function accountsOfLogin(
  api: MastercardApi,
  access: ConnectionAccess,
  call: ProviderCall,
): Promise<readonly MastercardAccount[]> {
  const { customerId, loginId } = readLoginAccess(access.accessToken);
  const all = await accountsOfCustomer(api, customerId, call);
  const accounts = all.filter((each) => each.institutionLoginId === loginId);
  if (accounts.length === 0) throw new ProviderError("grant_refused", { detail: "no account is left of the login" });
  const code = accounts.map(personCodeOf).find((each) => each !== undefined);
  if (code !== undefined) throw new MastercardRefusal("reauthorize", String(code), { detail: `code ${code}` });
  return accounts;
}

/** Has the institution asked now; it may take minutes, and goes on there when nobody waits for it. Only while its user is there. */
export async function refreshLogin(api: MastercardApi, accessToken: string, call: ProviderCall): Promise<void> {
  const { customerId, loginId } = readLoginAccess(accessToken);
  const path = `/aggregation/v1/customers/${customerId}/institutionLogins/${loginId}/accounts`;
  try {
    await api.post(path, {}, z.unknown(), call);
  } catch (error) {
    throw asGone(error);
  }
}

/** The same for all logins of a customer. */
export async function refreshCustomer(api: MastercardApi, customerId: string, call: ProviderCall): Promise<void> {
  try {
    await api.post(`/aggregation/v1/customers/${customerId}/accounts`, {}, z.unknown(), call);
  } catch (error) {
    throw asGone(error);
  }
}

/** The accounts of a connection, in one shape. Those in a currency that is none of ISO 4217 are left out. */
export async function listAccounts(
  api: MastercardApi,
  access: ConnectionAccess,
  call: ProviderCall,
): Promise<readonly ProviderAccount[]> {
  return (await accountsOfLogin(api, access, call)).flatMap(toAccount);
}

/** The code by which an account waits for its person; undefined when it does not, or he has authorized it anew since. */
export function personCodeOf(account: MastercardAccount): number | undefined {
  const code = account.aggregationStatusCode ?? 0;
  if (!personCodes.has(code)) return undefined;
  const [attempted, authorized] = [account.aggregationAttemptDate, account.authorizationStartDate];
  const isOlder = typeof attempted === "number" && typeof authorized === "number" && attempted < authorized;
  return isOlder ? undefined : code;
}

/** An account in one shape; none for a currency that is none of ISO 4217. */
export function toAccount(account: MastercardAccount): ProviderAccount[] {
  const currency = currencyOf(account.currency ?? "USD");
  if (currency === undefined) return [];
  const balance = minorOf(account.balance, currency);
  const available = account.detail?.availableBalanceAmount ?? account.detail?.creditAvailableAmount;
  const asOf = account.aggregationSuccessDate ?? account.balanceDate ?? undefined;
  const digits = account.accountNumberDisplay?.replaceAll(/\W/g, "").slice(-4) ?? "";
  return [
    {
      accountId: account.id,
      accountType: account.type.replaceAll(/([a-z0-9])([A-Z])/g, "$1_$2").toUpperCase(),
      displayName: account.accountNickname ?? account.name ?? "",
      maskedNumber: digits === "" ? "" : `****${digits}`,
      currency,
      // What is owed is told as a number above zero.
      balanceMinor: balance !== undefined && debtTypes.has(account.type) ? -balance : balance,
      availableMinor: minorOf(available, currency),
      asOf: asOf === undefined ? undefined : new Date(asOf * 1_000),
    },
  ];
}

/** A customer or login that is not there any more is a consent that ended. */
function asGone(error: unknown): unknown {
  if (!(error instanceof MastercardRefusal && error.failure === "not_found")) return error;
  const { code, correlationId } = error;
  return new MastercardRefusal("grant_refused", code, { detail: `code ${code}`, correlationId });
}
