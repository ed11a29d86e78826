import { DomainError } from "../../platform/errors/domain-error.ts";
import { parseAmount, toMajorText } from "../../platform/money/amount.ts";
import { type Currency, parseCurrency } from "../../platform/money/currency.ts";

const textLengthMax = 140;
const parameterLengthMax = 8 * 1024;

/** A payment as a merchant asks for it and as the customer sees it. */
export interface PaymentRequest {
  readonly amountMinor: bigint;
  readonly currency: Currency;
  /** The same amount as decimal text, as the access token will carry it. */
  readonly amountText: string;
  /** The id the merchant uses at the Router and the banks. */
  readonly merchantId: string;
  readonly merchantName: string;
  readonly orderId: string | undefined;
}

/** The merchant who asks, as registered. */
export interface AskingClient {
  readonly clientId: string;
  readonly merchantId: string;
  readonly name: string;
}

/** The two places a payment may stand in an authorisation request; both as received, JSON text or parsed. */
export interface PaymentParameters {
  /** Parameter `claims`: `{"payment": {...}}`. */
  readonly claims: unknown;
  /** Parameter `authorization_details` (RFC 9396): `[{"type": "payment", ...}]`. */
  readonly authorizationDetails: unknown;
}

/**
 * Reads the payment of an authorisation request, or undefined when there is none. Throws `PAYMENT_REQUEST_INVALID` {why}:
 * malformed, two payments, an amount that is none, an unknown currency, or a merchant other than the one who asks. The
 * registered name is shown, whatever the request calls the merchant: a name in a request proves nothing.
 */
export function readPaymentRequest(parameters: PaymentParameters, client: AskingClient): PaymentRequest | undefined {
  const inClaims = memberOf(parseJson(parameters.claims, "claims"), "payment");
  const details = parseJson(parameters.authorizationDetails, "authorization_details");
  const inDetails = paymentDetail(details);
  if (inClaims !== undefined && inDetails !== undefined)
    refuse("only one of claims and authorization_details may name a payment");
  const given = inClaims ?? inDetails;
  return given === undefined ? undefined : readPayment(given, client);
}

function readPayment(given: unknown, client: AskingClient): PaymentRequest {
  if (typeof given !== "object" || given === null || Array.isArray(given)) refuse("the payment must be an object");
  const merchantId = memberOf(given, "merchantId");
  if (merchantId !== client.clientId && merchantId !== client.merchantId)
    refuse("merchantId is not the id of this client");
  const currency = readCurrency(memberOf(given, "currency"));
  const amount = memberOf(given, "amount");
  if (typeof amount !== "string" && typeof amount !== "number") refuse("amount must be decimal text");
  const amountMinor = readAmount(amount, currency);
  return {
    amountMinor,
    currency,
    amountText: toMajorText(amountMinor, currency),
    merchantId: client.merchantId,
    merchantName: client.name,
    orderId: readOrderId(memberOf(given, "orderId")),
  };
}

function readCurrency(given: unknown): Currency {
  if (given === undefined) return parseCurrency("CAD");
  if (typeof given !== "string") refuse("currency must be an ISO 4217 code");
  try {
    return parseCurrency(given);
  } catch {
    return refuse("currency must be an ISO 4217 code");
  }
}

function readAmount(given: string | number, currency: Currency): bigint {
  try {
    return parseAmount(given, currency);
  } catch (error) {
    return refuse(error instanceof DomainError ? String(error.facts["why"]) : "amount is not an amount");
  }
}

function readOrderId(given: unknown): string | undefined {
  if (given === undefined || given === null) return undefined;
  // Shown to a person, so nothing that hides or rearranges text.
  if (typeof given !== "string" || given.length > textLengthMax || /[\p{Cc}\p{Cf}]/u.test(given)) {
    return refuse(`orderId must be text of at most ${textLengthMax} characters`);
  }
  return given;
}

function paymentDetail(details: unknown): unknown {
  if (details === undefined) return undefined;
  if (!Array.isArray(details)) return refuse("authorization_details must be a list");
  const payments = details.filter((detail) => memberOf(detail, "type") === "payment");
  if (payments.length > 1) refuse("authorization_details names more than one payment");
  return payments[0];
}

function parseJson(given: unknown, name: string): unknown {
  if (typeof given !== "string") return given ?? undefined;
  if (given.length > parameterLengthMax) refuse(`${name} is too long`);
  try {
    return JSON.parse(given);
  } catch {
    return refuse(`${name} is not JSON`);
  }
}

function memberOf(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null && Object.hasOwn(value, name)
    ? Reflect.get(value, name)
    : undefined;
}

function refuse(why: string): never {
  throw new DomainError("PAYMENT_REQUEST_INVALID", { why });
}
