import { z } from "zod";
import type { ConnectionAccess, ProviderCall } from "../connector.ts";
import type { ProviderAccount } from "../provider-data.ts";
import { ProviderError } from "../provider-error.ts";
import { currencyOf, minorOf } from "../provider-money.ts";
import { withinOneTimeout } from "../within-one-timeout.ts";
import type { TrueLayerApi } from "./truelayer-api.ts";

const text = z.string().max(300);
const digits = z.string().max(64).nullish();
const moment = z.iso.datetime({ offset: true }).nullish().catch(undefined);
const accountShape = z.looseObject({
  account_id: z.string().min(1).max(255),
  account_type: text.nullish(),
  display_name: text.nullish(),
  currency: z.string().max(8),
  account_number: z.looseObject({ number: digits, iban: digits }).nullish(),
});
const cardShape = z.looseObject({
  account_id: z.string().min(1).max(255),
  card_type: text.nullish(),
  display_name: text.nullish(),
  currency: z.string().max(8),
  partial_card_number: digits,
});
const balanceShape = z.looseObject({
  current: z.string().max(60).nullish(),
  available: z.string().max(60).nullish(),
  currency: z.string().max(8).nullish(),
  update_timestamp: moment,
});
type Balance = z.infer<typeof balanceShape>;

/** An account or a card, which TrueLayer keeps apart. */
export interface TrueLayerAccount {
  readonly accountId: string;
  readonly kind: "account" | "card";
}

interface DescribedAccount extends TrueLayerAccount {
  readonly accountType: string;
  readonly displayName: string;
  readonly number: string;
  readonly currency: string;
}

/** Where an account's own readings begin. */
export function pathOf({ accountId, kind }: TrueLayerAccount): string {
  return `/${kind}s/${encodeURIComponent(accountId)}`;
}

/** The accounts and cards of a connection by id. A bank without cards has none, and so has a consent without them. */
export async function findAccounts(
  api: TrueLayerApi,
  access: Pick<ConnectionAccess, "accessToken">,
  scopes: readonly string[],
  call: ProviderCall,
): Promise<readonly DescribedAccount[]> {
  const accounts = await api.read("/accounts", access.accessToken, accountShape, call);
  const cards = scopes.includes("cards")
    ? await api.read("/cards", access.accessToken, cardShape, call).catch(noneOf)
    : [];
  const all: DescribedAccount[] = [
    ...accounts.map((each) => ({
      accountId: each.account_id,
      kind: "account" as const,
      accountType: each.account_type ?? "",
      displayName: each.display_name ?? "",
      number: each.account_number?.number ?? each.account_number?.iban ?? "",
      currency: each.currency,
    })),
    ...cards.map((each) => ({
      accountId: each.account_id,
      kind: "card" as const,
      accountType: `${each.card_type ?? "CREDIT"}_CARD`,
      displayName: each.display_name ?? "",
      number: each.partial_card_number ?? "",
      currency: each.currency,
    })),
  ];
  const byId = new Map(all.map((each) => [each.accountId, each]));
  return [...byId.values()].sort((one, other) => (one.accountId < other.accountId ? -1 : 1));
}

/** The accounts and cards with their balances. Those in a currency that is none of ISO 4217 are left out. */
export async function listAccounts(
  api: TrueLayerApi,
  access: ConnectionAccess,
  scopes: readonly string[],
  call: ProviderCall,
): Promise<readonly ProviderAccount[]> {
  const next = withinOneTimeout(call);
  const found = await findAccounts(api, access, scopes, next());
  const all = await Promise.all(
    found.map(async (account) => {
      const balance = scopes.includes("balance") ? await balanceOf(api, access, account, next()) : undefined;
      return toAccount(account, balance);
    }),
  );
  return all.flat();
}

async function balanceOf(
  api: TrueLayerApi,
  access: ConnectionAccess,
  account: TrueLayerAccount,
  call: ProviderCall,
): Promise<Balance | undefined> {
  const results = await api.read(`${pathOf(account)}/balance`, access.accessToken, balanceShape, call).catch(noneOf);
  return results[0];
}

function toAccount(account: DescribedAccount, balance: Balance | undefined): ProviderAccount[] {
  const currency = currencyOf(account.currency);
  if (currency === undefined) return [];
  // A balance in another currency than its account's is none of the account's.
  const told = balance?.currency === undefined || balance.currency === account.currency ? balance : undefined;
  const current = minorOf(told?.current, currency);
  const updated = told?.update_timestamp;
  return [
    {
      accountId: account.accountId,
      accountType: account.accountType.toUpperCase().replaceAll(" ", "_"),
      displayName: account.displayName,
      maskedNumber: account.number === "" ? "" : `****${account.number.slice(-4)}`,
      currency,
      // TrueLayer tells what is owed on a card as a positive number.
      balanceMinor: current === undefined ? undefined : account.kind === "card" ? -current : current,
      availableMinor: minorOf(told?.available, currency),
      asOf: updated === null || updated === undefined ? undefined : new Date(updated),
    },
  ];
}

/**
 * What a bank does not offer, a consent does not cover, or only its user can open at the moment, is absent; the rest of the connection
 * works. For readings after a first one that went well: the consent as a whole stands.
 */
function noneOf(error: unknown): readonly never[] {
  if (error instanceof ProviderError && absences.has(error.failure)) return [];
  throw error;
}

const absences: ReadonlySet<string> = new Set(["not_found", "scope_limited", "forbidden", "reauthorize"]);
