import { DomainError } from "../errors/domain-error.ts";
import { type Currency, currencyExponent } from "./currency.ts";

const jsonNumber = /^(-?)(\d{1,18})(?:\.(\d{1,40}))?(?:[eE]([+-]?\d{1,2}))?$/;
// What a provider's own float arithmetic leaves behind is far below this share of a minor unit; a real third decimal is not.
const artefactDigits = 6;

/**
 * Reads an amount from the text a provider wrote it in, as JSON writes numbers, to whole minor units; zero and negative are allowed.
 * 12.340000000000001 is 12.34: the rest is an artefact of a float. Throws `AMOUNT_INVALID` for 12.345 in a currency of two
 * decimals, and for what is no number: an amount that cannot be told exactly is not told at all.
 */
export function parseDecimalText(text: string, currency: Currency): bigint {
  const match = jsonNumber.exec(text.trim());
  if (match === null) throw invalid("is not a decimal number");
  const [, sign, whole = "", fraction = "", power = "0"] = match;
  const shift = currencyExponent(currency) + Number.parseInt(power, 10);
  // The decimal point moves `shift` digits to the right; what is then left of it are minor units.
  const digits = whole + fraction;
  const point = whole.length + shift;
  const minorDigits = point <= 0 ? "" : digits.slice(0, point).padEnd(point, "0");
  const rest = point <= 0 ? "0".repeat(-point) + digits : digits.slice(point);
  if (minorDigits.length > 36) throw invalid("is too large");
  const minor = BigInt(minorDigits === "" ? "0" : minorDigits) + carryOf(rest);
  return sign === "-" ? -minor : minor;
}

/** 0 or 1 minor unit for what lies behind the last one; only next to nothing, or next to a whole unit, may lie there. */
function carryOf(rest: string): bigint {
  const head = rest.slice(0, artefactDigits).padEnd(artefactDigits, "0");
  if (/^0+$/.test(head)) return 0n;
  if (/^9+$/.test(head)) return 1n;
  throw invalid("has more decimals than its currency");
}

function invalid(why: string): DomainError {
  return new DomainError("AMOUNT_INVALID", { why: `amount ${why}` });
}

/**
 * Parses JSON with the numbers under these member names as the text they were written in, so that no amount passes through a float.
 * Undefined for what is not JSON.
 */
export function parseJsonAmounts(text: string, names: ReadonlySet<string>): unknown {
  const reviver = (name: string, value: unknown, context?: { readonly source?: string }): unknown =>
    typeof value === "number" && names.has(name) ? (context?.source ?? String(value)) : value;
  try {
    return JSON.parse(text, reviver);
  } catch {
    return undefined;
  }
}
