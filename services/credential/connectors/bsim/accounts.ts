import { z } from "zod";
import { parseBalance } from "../../../platform/money/amount.ts";
import { defaultCurrency, parseCurrency } from "../../../platform/money/currency.ts";
import { isAllowedUrl, openBankingUrl } from "../../domain/provider-urls.ts";
import type { ProviderCall } from "../connector.ts";
import type { ProviderAccount } from "../provider-data.ts";
import { ProviderError } from "../provider-error.ts";
import { type ProviderHttp, parseAnswer } from "../provider-http.ts";
import type { BankTarget } from "./bank-target.ts";

const pageSize = 100;
const accountsMax = 500;
const pagesMax = 10;

const amount = z.union([z.number(), z.string()]);
const text = z.string().max(200);
// FDX as banks of the ecosystem serve it; the legacy form has the currency as text and the balance flat.
const accountShape = z.looseObject({
  accountId: z.union([text.min(1), z.number()]).transform(String),
  accountType: text.optional(),
  nickname: text.optional().catch(undefined),
  productName: text.optional().catch(undefined),
  accountNumber: text.optional(),
  accountNumberDisplay: text.optional(),
  accountNumberMasked: text.optional(),
  currency: z.union([text, z.looseObject({ currencyCode: text })]).optional(),
  balance: z.union([amount, z.looseObject({ current: amount, available: amount.nullish(), asOf: text.nullish() })]),
});
const pageShape = z.looseObject({
  accounts: z.array(accountShape).max(pageSize * 10),
  page: z.looseObject({ nextOffset: z.union([text, z.number()]).nullish() }).nullish(),
});

/** The consented accounts, page by page, at most 500. Throws `ProviderError`; `unauthorized` when the token is refused. */
export async function listAccounts(
  parts: { http: ProviderHttp; insecureAllowed: boolean },
  target: BankTarget,
  accessToken: string,
  call: ProviderCall,
): Promise<readonly ProviderAccount[]> {
  const base = openBankingUrl(target.bank);
  if (!isAllowedUrl(base, parts.insecureAllowed)) throw new ProviderError("unavailable", { detail: "not https" });
  const accounts: ProviderAccount[] = [];
  let offset = "0";
  for (let page = 0; page < pagesMax && accounts.length < accountsMax; page += 1) {
    const url = `${base}/accounts?limit=${pageSize}&offset=${encodeURIComponent(offset)}`;
    const headers = { authorization: `Bearer ${accessToken}` };
    const answer = parseAnswer(await parts.http.send({ url, method: "GET", headers }, call), pageShape);
    accounts.push(...answer.accounts.map(toAccount));
    const next = answer.page?.nextOffset;
    // A bank that repeats its offset would be asked for ever.
    if (next === undefined || next === null || String(next) === offset || answer.accounts.length === 0) break;
    offset = String(next);
  }
  return accounts.slice(0, accountsMax);
}

function toAccount(account: z.infer<typeof accountShape>): ProviderAccount {
  const { balance } = account;
  const flat = typeof balance === "object" ? undefined : balance;
  try {
    const code = typeof account.currency === "object" ? account.currency.currencyCode : account.currency;
    const currency = code === undefined ? defaultCurrency : parseCurrency(code);
    const current = typeof balance === "object" ? balance.current : balance;
    const available = typeof balance === "object" ? balance.available : undefined;
    return {
      accountId: account.accountId,
      accountType: account.accountType ?? "",
      displayName: account.nickname ?? account.productName ?? "",
      maskedNumber: masked(account),
      currency,
      balanceMinor: parseBalance(current, currency),
      availableMinor: available === undefined || available === null ? undefined : parseBalance(available, currency),
      asOf: flat === undefined && typeof balance === "object" ? parseTime(balance.asOf) : undefined,
    };
  } catch {
    // A balance that cannot be told exactly is not told at all.
    throw new ProviderError("unavailable", { detail: "an amount was not understood" });
  }
}

/** `****1234` whatever the bank sends: some put the full number where the masked one belongs. */
function masked(account: z.infer<typeof accountShape>): string {
  const given = account.accountNumberDisplay ?? account.accountNumberMasked ?? account.accountNumber ?? "";
  const lastFour = given.replace(/\D/g, "").slice(-4);
  return lastFour === "" ? "" : `****${lastFour}`;
}

function parseTime(given: string | null | undefined): Date | undefined {
  const time = given === undefined || given === null ? Number.NaN : Date.parse(given);
  return Number.isNaN(time) ? undefined : new Date(time);
}
