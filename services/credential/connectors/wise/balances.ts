import { z } from "zod";
import type { Currency } from "../../../platform/money/currency.ts";
import type { ConnectionAccess, ProviderCall } from "../connector.ts";
import type { ProviderAccount } from "../provider-data.ts";
import { currencyOf, minorOf } from "../provider-money.ts";
import { type WiseApi, wiseId } from "./wise-api.ts";

const balancesMax = 500;
const money = z.looseObject({ value: z.string().max(60), currency: z.string().max(8) });
const balancesShape = z
  .array(
    z.looseObject({
      id: wiseId,
      currency: z.string().max(8),
      type: z.string().max(40),
      name: z.string().max(300).nullish(),
      amount: money,
      cashAmount: money.nullish(),
      totalWorth: money.nullish(),
      creationTime: z.iso.datetime({ offset: true }).nullish().catch(undefined),
    }),
  )
  .max(balancesMax);
type GivenBalance = z.infer<typeof balancesShape>[number];

/** A balance, with what its statements are asked by. */
export interface WiseBalance {
  readonly account: ProviderAccount;
  readonly currency: Currency;
  /** Nothing happened before; undefined when Wise does not say. */
  readonly openedAt: Date | undefined;
}

/** The balances of the profile. Those in a currency that is none of ISO 4217 are left out; one told twice counts once. */
export async function readBalances(
  api: WiseApi,
  access: ConnectionAccess,
  types: readonly string[],
  call: ProviderCall,
): Promise<readonly WiseBalance[]> {
  const query = new URLSearchParams({ types: types.join(",") });
  const path = `/v4/profiles/${encodeURIComponent(access.providerReference)}/balances?${query}`;
  const given = await api.read(path, access.accessToken, balancesShape, call);
  const byId = new Map(given.flatMap(toBalance).map((balance) => [balance.account.accountId, balance]));
  return [...byId.values()];
}

function toBalance(given: GivenBalance): WiseBalance[] {
  const currency = currencyOf(given.currency);
  if (currency === undefined) return [];
  const { creationTime } = given;
  // What is available, what is there with what cards have reserved, and for a jar that is invested what it is worth.
  const there = given.totalWorth ?? given.cashAmount ?? given.amount;
  const account = {
    accountId: given.id,
    accountType: given.type,
    displayName: given.name ?? `${currency} balance`,
    maskedNumber: "",
    currency,
    balanceMinor: minorOf(there.value, currency),
    availableMinor: minorOf(given.amount.value, currency),
    asOf: undefined,
  };
  return [{ account, currency, openedAt: creationTime == null ? undefined : new Date(creationTime) }];
}
