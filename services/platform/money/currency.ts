import { DomainError } from "../errors/domain-error.ts";

/** An ISO 4217 code this build knows, upper case. */
export type Currency = string & { readonly brand: "Currency" };

/**
 * ISO 4217 codes whose minor unit is not two digits (list one, amendment 177). Everything else that `Intl` knows as a
 * currency has two.
 */
const otherExponents: Readonly<Record<string, number>> = Object.freeze({
  BHD: 3,
  BIF: 0,
  CLP: 0,
  CLF: 4,
  DJF: 0,
  GNF: 0,
  IQD: 3,
  ISK: 0,
  JOD: 3,
  JPY: 0,
  KMF: 0,
  KRW: 0,
  KWD: 3,
  LYD: 3,
  OMR: 3,
  PYG: 0,
  RWF: 0,
  TND: 3,
  UGX: 0,
  UYI: 0,
  UYW: 4,
  VND: 0,
  VUV: 0,
  XAF: 0,
  XOF: 0,
  XPF: 0,
});

const known: ReadonlySet<string> = new Set(Intl.supportedValuesOf("currency"));

/** The currency of a request that names none. */
export const defaultCurrency = "CAD" as Currency; // a literal of the known set

/** Parses an ISO 4217 code, upper case as REST clients send it. Throws `CURRENCY_INVALID`. */
export function parseCurrency(text: string): Currency {
  if (!known.has(text)) throw new DomainError("CURRENCY_INVALID", { currency: text.slice(0, 8) });
  return text as Currency; // checked above
}

/** How many decimals the currency's major unit has: 2 for CAD, 0 for JPY. */
export function currencyExponent(currency: Currency): number {
  return otherExponents[currency] ?? 2;
}
