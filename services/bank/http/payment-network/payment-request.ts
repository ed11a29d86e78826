import { hash } from "node:crypto";
import { DomainError } from "../../../platform/errors/domain-error.ts";
import { parseAmount } from "../../../platform/money/amount.ts";
import { type Currency, defaultCurrency, parseCurrency } from "../../../platform/money/currency.ts";

const cardTokenLengthMax = 8_192;
/** As long as the Router lets an order id be. */
const idLengthMax = 255;
const textLengthMax = 1_000;
const keyLengthMax = 255;

/** An authorize request as the bank understands it. */
export interface AuthorizeBody {
  readonly cardToken: string;
  readonly amountMinor: bigint;
  readonly currency: Currency;
  readonly merchantId: string;
  readonly merchantName: string | undefined;
  readonly orderId: string;
  readonly description: string | undefined;
}

/** Reads an authorize body; members it does not know are ignored. Throws with the reason of the first fault. */
export function readAuthorizeBody(body: unknown): AuthorizeBody {
  const fields = objectOf(body);
  requireFields(fields, ["cardToken", "amount", "merchantId", "orderId"]);
  const currency = readCurrency(fields["currency"]);
  return {
    cardToken: readText(fields, "cardToken", cardTokenLengthMax),
    amountMinor: parseAmount(readNumber(fields, "amount"), currency),
    currency,
    merchantId: readText(fields, "merchantId", idLengthMax),
    merchantName: readOptionalText(fields, "merchantName", textLengthMax),
    orderId: readText(fields, "orderId", idLengthMax),
    description: readOptionalText(fields, "description", textLengthMax),
  };
}

/** A capture or refund; the amount becomes minor units once the authorization's currency is known. */
export function readAmountBody(body: unknown): {
  authorizationCode: string;
  amount: number;
  parseAmount: (currency: string | undefined) => bigint;
} {
  const fields = objectOf(body);
  requireFields(fields, ["authorizationCode", "amount"]);
  const amount = readNumber(fields, "amount");
  return {
    authorizationCode: readText(fields, "authorizationCode", idLengthMax),
    amount,
    parseAmount: (currency) => parseAmount(amount, readCurrency(currency)),
  };
}

/** A void: by authorization code, or by the key its authorize was sent with. */
export function readVoidBody(body: unknown): { authorizationCode: string } | { authorizeKey: string } {
  const fields = objectOf(body);
  if (isAbsent(fields["authorizationCode"]) && !isAbsent(fields["idempotencyKey"])) {
    return { authorizeKey: readText(fields, "idempotencyKey", keyLengthMax) };
  }
  requireFields(fields, ["authorizationCode"]);
  return { authorizationCode: readText(fields, "authorizationCode", idLengthMax) };
}

/** The card token of a validate-token request. */
export function readCardTokenBody(body: unknown): string {
  const fields = objectOf(body);
  requireFields(fields, ["cardToken"]);
  return readText(fields, "cardToken", cardTokenLengthMax);
}

/** The `Idempotency-Key` header: 1 to 255 printable ASCII characters, or absent. */
export function readIdempotencyKey(header: string | string[] | undefined): string | undefined {
  if (header === undefined) return undefined;
  if (typeof header !== "string" || !/^[\x21-\x7e]{1,255}$/.test(header)) {
    throw new DomainError("INVALID_ARGUMENT", { why: "Idempotency-Key has 1 to 255 printable characters" });
  }
  return header;
}

/** SHA-256 over the members that make two requests the same one. */
export function hashRequest(members: readonly (string | number | bigint | undefined)[]): Buffer {
  const text = JSON.stringify(members.map((member) => (member === undefined ? null : String(member))));
  return hash("sha256", text, "buffer");
}

type Fields = Readonly<Record<string, unknown>>;

function objectOf(body: unknown): Fields {
  if (typeof body !== "object" || body === null || Array.isArray(body)) {
    throw new DomainError("INVALID_ARGUMENT", { why: "The body must be a JSON object" });
  }
  return body as Fields; // checked above; every member is still unknown
}

function requireFields(fields: Fields, required: readonly string[]): void {
  const missing = required.filter((name) => isAbsent(fields[name]) || fields[name] === "");
  if (missing.length > 0) throw new DomainError("REQUIRED_FIELDS_MISSING", { required, missing });
}

function isAbsent(value: unknown): boolean {
  return value === undefined || value === null;
}

function readCurrency(value: unknown): Currency {
  if (isAbsent(value)) return defaultCurrency;
  if (typeof value !== "string") throw new DomainError("CURRENCY_INVALID");
  return parseCurrency(value);
}

function readNumber(fields: Fields, name: string): number {
  const value = fields[name];
  if (typeof value !== "number") throw new DomainError("AMOUNT_INVALID", { why: `${name} must be a number` });
  return value;
}

function readText(fields: Fields, name: string, lengthMax: number): string {
  const value = fields[name];
  // PostgreSQL cannot store a NUL in a text.
  if (typeof value !== "string" || value.length === 0 || value.length > lengthMax || value.includes("\0")) {
    throw new DomainError("INVALID_ARGUMENT", { why: `${name} must be a text of 1 to ${lengthMax} characters` });
  }
  return value;
}

function readOptionalText(fields: Fields, name: string, lengthMax: number): string | undefined {
  return isAbsent(fields[name]) || fields[name] === "" ? undefined : readText(fields, name, lengthMax);
}
