import { z } from "zod";
import { DomainError } from "../../../platform/errors/domain-error.ts";
import { parseAmount } from "../../../platform/money/amount.ts";
import { type Currency, parseCurrency } from "../../../platform/money/currency.ts";

// PostgreSQL takes no NUL in a text.
const id = z
  .string()
  .min(1)
  .max(200)
  .refine((text) => !text.includes("\0"));
const body = z.object({
  cardId: id.nullish(),
  cardRef: id.nullish(),
  merchantId: id.nullish(),
  merchantName: z.string().max(200).nullish(),
  amount: z.union([z.number(), z.string().max(30)]).nullish(),
  currency: z.string().max(10).nullish(),
});

/** A request for a card token; absent members leave the token unbound in them. */
export interface TokenRequest {
  readonly cardId: string;
  readonly merchantId: string | undefined;
  readonly amountMinor: bigint | undefined;
  readonly currency: Currency | undefined;
}

/** Reads the body. Throws `INVALID_ARGUMENT`, `AMOUNT_INVALID` or `CURRENCY_INVALID`. */
export function readTokenRequest(given: unknown): TokenRequest {
  const parsed = body.safeParse(given);
  if (!parsed.success) throw new DomainError("INVALID_ARGUMENT", { why: "The request is malformed" });
  const { merchantId, amount, currency } = parsed.data;
  const cardId = parsed.data.cardId ?? parsed.data.cardRef;
  if (cardId == null) throw new DomainError("INVALID_ARGUMENT", { why: "cardId is required" });
  const bound = currency ?? (amount == null ? undefined : "CAD");
  const parsedCurrency = bound === undefined ? undefined : parseCurrency(bound);
  return {
    cardId,
    merchantId: merchantId ?? undefined,
    amountMinor: amount == null || parsedCurrency === undefined ? undefined : parseAmount(amount, parsedCurrency),
    currency: parsedCurrency,
  };
}
