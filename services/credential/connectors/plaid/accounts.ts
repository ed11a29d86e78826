import { z } from "zod";
import { DomainError } from "../../../platform/errors/domain-error.ts";
import { type Currency, parseCurrency } from "../../../platform/money/currency.ts";
import { parseDecimalText } from "../../../platform/money/decimal-text.ts";
import type { ConnectionAccess, ProviderCall } from "../connector.ts";
import type { ProviderAccount } from "../provider-data.ts";
import { ProviderError } from "../provider-error.ts";
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

/** The currency of an ISO code; undefined for none, or one this build does not know. */
export function currencyOf(code: string | null | undefined): Currency | undefined {
  try {
    return code === null || code === undefined ? undefined : parseCurrency(code);
  } catch (error) {
    if (error instanceof DomainError) return undefined;
    throw error;
  }
}

/** Minor units of an amount as Plaid wrote it. Throws `ProviderError` for one that cannot be told exactly. */
export function minorOf(given: string | null | undefined, currency: Currency): bigint | undefined {
  if (given === null || given === undefined) return undefined;
  try {
    return parseDecimalText(given, currency);
  } catch (cause) {
    if (cause instanceof DomainError)
      throw new ProviderError("unavailable", { detail: "an amount was not understood" });
    throw cause;
  }
}
