import { z } from "zod";
import type { ConnectionAccess, ProviderCall } from "../connector.ts";
import type { ProviderAccount } from "../provider-data.ts";
import { ProviderError } from "../provider-error.ts";
import { currencyOf, minorOf } from "../provider-money.ts";
import { withinOneTimeout } from "../within-one-timeout.ts";
import type { BasiqApi } from "./basiq-api.ts";
import { activeConsent, fetchConnections, fetchConsents, liveConnections, momentShape } from "./records.ts";

const accountsMax = 500;
const amount = z.string().max(60).nullish();
const accountShape = z.looseObject({
  id: z.string().min(1).max(255),
  name: z.string().max(300).nullish(),
  accountNo: z.string().max(100).nullish(),
  balance: amount,
  availableFunds: amount,
  currency: z.string().max(8).nullish(),
  class: z.looseObject({ type: z.string().max(60).nullish() }).nullish(),
  connection: z.string().max(255).nullish(),
  status: z.string().max(40).nullish(),
  lastUpdated: momentShape,
});
const accountsShape = z.looseObject({ data: z.array(accountShape).max(accountsMax) });

/** The user's accounts. Those his bank no longer shows, and those in no currency of ISO 4217, are left out. */
export async function listAccounts(
  api: BasiqApi,
  access: ConnectionAccess,
  call: ProviderCall,
): Promise<readonly ProviderAccount[]> {
  const left = withinOneTimeout(call);
  const userId = access.accessToken;
  return await ofUser({ api, userId, left }, async () => {
    const live = liveConnections(await fetchConnections(api, userId, left())).map((each) => each.id);
    const { data } = await api.ask({ method: "GET", path: `/users/${userId}/accounts` }, accountsShape, left());
    return data
      .filter((each) => each.status !== "unavailable" && (!each.connection || live.includes(each.connection)))
      .flatMap(toAccount);
  });
}

/**
 * Reads a user's data. A user whose consent is over is forbidden to us, and one who left Basiq is unknown: both have to come to us.
 * Being forbidden although there is a consent is a matter between Basiq and us.
 */
export async function ofUser<T>(
  user: { readonly api: BasiqApi; readonly userId: string; left(): ProviderCall },
  read: () => Promise<T>,
): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (!(error instanceof ProviderError)) throw error;
    const { failure, correlationId } = error;
    if (failure === "not_found") throw new ProviderError("reauthorize", { detail: "user unknown", correlationId });
    if (failure !== "forbidden") throw error;
    const call = user.left();
    const consents = await fetchConsents(user.api, user.userId, call);
    if (activeConsent(consents, call.now) !== undefined) throw error;
    throw new ProviderError("reauthorize", { detail: "no consent", correlationId });
  }
}

function toAccount(account: z.infer<typeof accountShape>): ProviderAccount[] {
  const currency = currencyOf(account.currency);
  if (currency === undefined) return [];
  const digits = (account.accountNo ?? "").replaceAll(/\D/g, "");
  return [
    {
      accountId: account.id,
      accountType: (account.class?.type ?? "").toUpperCase().replaceAll("-", "_"),
      displayName: account.name ?? "",
      maskedNumber: digits.length < 4 ? "" : `****${digits.slice(-4)}`,
      currency,
      // What is owed is below zero at Basiq too.
      balanceMinor: minorOf(account.balance || undefined, currency),
      availableMinor: minorOf(account.availableFunds || undefined, currency),
      asOf: account.lastUpdated,
    },
  ];
}
