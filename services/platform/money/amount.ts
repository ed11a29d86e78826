import { DomainError } from "../errors/domain-error.ts";
import { type Currency, currencyExponent } from "./currency.ts";

/** The largest amount of one movement, in minor units: 100 billion dollars, far below what a double holds exactly. */
export const amountMinorMax = 10_000_000_000_000n;

const decimalText = /^(\d{1,18})(?:\.(\d{1,18}))?$/;

/**
 * Reads an amount to be moved: decimal major units, as a JSON number or a decimal string, to whole minor units.
 *
 * A number is read by its shortest decimal form, the one a JSON client wrote, so 0.1 is ten cents and 0.30000000000000004
 * has too many decimals. Throws `AMOUNT_INVALID` for zero, negative, not finite, more decimals than the currency has, and
 * anything above `amountMinorMax`.
 */
export function parseAmount(value: number | string, currency: Currency): bigint {
  const minor = parseDecimal(value, currency);
  if (minor <= 0n) throw invalid("must be above zero");
  if (minor > amountMinorMax) throw invalid("is too large");
  return minor;
}

/** Reads a balance: as `parseAmount`, with zero and negative allowed and no cap but that of the text's length. */
export function parseBalance(value: number | string, currency: Currency): bigint {
  return parseDecimal(value, currency);
}

function parseDecimal(value: number | string, currency: Currency): bigint {
  const text = typeof value === "number" ? numberText(value) : value.trim();
  const negative = text.startsWith("-");
  const match = decimalText.exec(negative ? text.slice(1) : text);
  if (match === null) throw invalid("is not a plain decimal number");
  const exponent = currencyExponent(currency);
  const fraction = (match[2] ?? "").replace(/0+$/, "");
  if (fraction.length > exponent) throw invalid(`has more than ${exponent} decimals`);
  const minor = BigInt((match[1] ?? "0") + fraction.padEnd(exponent, "0"));
  return negative ? -minor : minor;
}

function numberText(value: number): string {
  if (!Number.isFinite(value)) throw invalid("is not a finite number");
  const text = String(value);
  // 1e21 and 1e-7: nothing that anyone pays is written with an exponent.
  if (text.includes("e")) throw invalid(Math.abs(value) < 1 ? "has too many decimals" : "is too large");
  return text;
}

function invalid(why: string): DomainError {
  return new DomainError("AMOUNT_INVALID", { why: `amount ${why}` });
}

/** Minor units as exact decimal text of the major unit: 1234n CAD is "12.34", 5n JPY is "5". */
export function toMajorText(minor: bigint, currency: Currency): string {
  const exponent = currencyExponent(currency);
  const sign = minor < 0n ? "-" : "";
  const digits = (minor < 0n ? -minor : minor).toString().padStart(exponent + 1, "0");
  if (exponent === 0) return sign + digits;
  return `${sign}${digits.slice(0, -exponent)}.${digits.slice(-exponent)}`;
}

/** Minor units as the JSON number REST clients expect. Exact: the shortest decimal form of the double is the amount. */
export function toMajorNumber(minor: bigint, currency: Currency): number {
  return Number.parseFloat(toMajorText(minor, currency));
}
