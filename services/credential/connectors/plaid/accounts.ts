import { z } from "zod";
import type { ConnectionAccess, ProviderCall } from "../connector.ts";
import type { ProviderAccount } from "../provider-data.ts";
import { currencyOf, minorOf } from "../provider-money.ts";
import type { PlaidCalls } from "./plaid-api.ts";

const accountsMax = 500;
const text = z.string().max(300);
const amount = z.string().max(60).nullish();
const accountShape = z.looseObject({
  account_id: z.string().min(1).max(255),
  name: text.nullish(),
  official_name: text.nullish(),
  mask: z.string().max(20).nullish(),
  type: z.string().max(40),
  subtype: z.string().max(60).nullish(),
  persistent_account_id: z.string().max(255).nullish(),
  balances: z.looseObject({
    available: amount,
    current: amount,
    iso_currency_code: z.string().max(8).nullish(),
    last_updated_datetime: z.iso.datetime({ offset: true }).nullish().catch(undefined),
  }),
});
type Account = z.infer<typeof accountShape>;
const accountsShape = z.looseObject({ accounts: z.array(accountShape).max(accountsMax) });

/** The item's accounts. Those in a currency that is none of ISO 4217, such as bitcoin, are left out. */
export async function listAccounts(
  calls: PlaidCalls,
  access: ConnectionAccess,
  call: ProviderCall,
): Promise<readonly ProviderAccount[]> {
  const answer = await calls.ask((api) => api.accountsGet({ access_token: access.accessToken }), accountsShape, call);
  return answer.accounts.flatMap(toAccount);
}

/**
 * What the accounts of an item are called in any other item of the same person. Plaid says so for deposits at banks with tokenised account
 * numbers; accounts beside them count by what is shown of them. Undefined where no account has such a name.
 */
export async function lastingAccountIds(
  calls: PlaidCalls,
  accessToken: string,
  call: ProviderCall,
): Promise<readonly string[] | undefined> {
  const { accounts } = await calls.ask((api) => api.accountsGet({ access_token: accessToken }), accountsShape, call);
  const isLasting = (each: Account) => Boolean(each.persistent_account_id);
  if (!accounts.some(isLasting)) return undefined;
  const shown = ({ type, subtype, name, mask }: Account) => JSON.stringify([type, subtype, name, mask]);
  return accounts.map((each) => each.persistent_account_id || shown(each));
}

function toAccount(account: Account): ProviderAccount[] {
  const { balances } = account;
  const currency = currencyOf(balances.iso_currency_code);
  if (currency === undefined) return [];
  // Plaid tells what is owed as a positive number.
  const isDebt = account.type === "credit" || account.type === "loan";
  const current = minorOf(balances.current, currency);
  const lastUpdated = balances.last_updated_datetime;
  return [
    {
      accountId: account.account_id,
      accountType: (account.subtype ?? account.type).toUpperCase().replaceAll(" ", "_"),
      displayName: account.name ?? account.official_name ?? "",
      maskedNumber: account.mask ? `****${account.mask.slice(-4)}` : "",
      currency,
      balanceMinor: current === undefined ? undefined : isDebt ? -current : current,
      availableMinor: minorOf(balances.available, currency),
      asOf: lastUpdated === null || lastUpdated === undefined ? undefined : new Date(lastUpdated),
    },
  ];
}
