import { DomainError } from "../../platform/errors/domain-error.ts";
import { type Currency, parseCurrency } from "../../platform/money/currency.ts";
import { parseDecimalText } from "../../platform/money/decimal-text.ts";
import { ProviderError } from "./provider-error.ts";

/** The currency of an ISO code; undefined for none, or one this build does not know. */
export function currencyOf(code: string | null | undefined): Currency | undefined {
  try {
    return code === null || code === undefined ? undefined : parseCurrency(code);
  } catch (error) {
    if (error instanceof DomainError) return undefined;
    throw error;
  }
}

/** Minor units of an amount as the provider wrote it. Throws `ProviderError` for one that cannot be told exactly. */
export function minorOf(given: string, currency: Currency): bigint;
export function minorOf(given: string | null | undefined, currency: Currency): bigint | undefined;
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
