import { request } from "undici";
import { z } from "zod";
import { DomainError } from "../../../platform/errors/domain-error.ts";
import { parseBalance, toMajorNumber } from "../../../platform/money/amount.ts";
import { parseCurrency } from "../../../platform/money/currency.ts";
import type { DeskAction } from "../domain/order.ts";
import { type AuthorizationResult, type DeskResult, parsePaymentStatus } from "../domain/payment-result.ts";
import type { CardTokens } from "./wallet-payment.ts";

const timeoutMs = 25_000;
const answerBytesMax = 64 * 1024;

/** One authorisation, with everything needed to send it a second time word for word. */
export interface AuthorizeRequest extends CardTokens {
  readonly merchantId: string;
  readonly merchantName: string;
  readonly orderId: string;
  /** Decimal major units. */
  readonly amount: number;
  readonly currency: string;
}

/** The Router's payments, through the gateway. */
export interface RouterPayments {
  /**
   * Asks for an authorisation. The same key and request may be sent again: the first answer comes back. Throws
   * `ROUTER_UNAVAILABLE` when no answer arrived, which says nothing about the payment.
   */
  authorize(request: AuthorizeRequest, idempotencyKey: string): Promise<AuthorizationResult>;
  /** Captures, voids or refunds; the amount is minor units, absent for all that is left. */
  act(
    payment: { transactionId: string; currency: string },
    action: DeskAction,
    amountMinor?: bigint,
  ): Promise<DeskResult>;
  /** The bank a payment went to; undefined when it cannot be told now. */
  bankOf(transactionId: string): Promise<{ id: string; name: string } | undefined>;
}

/** Options of {@link createRouterPayments}. */
export interface RouterPaymentsOptions {
  readonly gatewayUrl: string;
  readonly apiKey: string;
}

const authorizeAnswer = z.object({
  transactionId: z.string().optional(),
  status: z.string(),
  authorizationCode: z.string().optional(),
  declineReason: z.string().optional(),
});

const deskAnswer = z.object({
  status: z.string().optional(),
  capturedAmount: z.number().optional(),
  refundedAmount: z.number().optional(),
  error: z.string().optional(),
});

const paymentAnswer = z.object({ bsimId: z.string().min(1) });
const bankAnswer = z.object({ name: z.string().min(1).max(200) });

/** Opens the client. It follows no redirect and reads at most 64 KiB. */
export function createRouterPayments(options: RouterPaymentsOptions): RouterPayments {
  const call = (method: "GET" | "POST", path: string, body?: unknown, headers: Record<string, string> = {}) =>
    callJson(options, { method, path, body, headers });
  return {
    async authorize(authorization, idempotencyKey) {
      const { status, body } = await call("POST", "/api/v1/payments/authorize", authorization, {
        "idempotency-key": idempotencyKey,
      });
      return readAuthorization(status, body);
    },
    async act(payment, action, amountMinor) {
      const currency = parseCurrency(payment.currency);
      const given = amountMinor === undefined ? {} : { amount: toMajorNumber(amountMinor, currency) };
      const path = `/api/v1/payments/${encodeURIComponent(payment.transactionId)}/${action}`;
      const { status, body } = await call("POST", path, given);
      const answer = deskAnswer.safeParse(body);
      if (!answer.success || status >= 500) throw new DomainError("ROUTER_UNAVAILABLE", { status });
      const minor = (value: number | undefined) => (value === undefined ? null : parseBalance(value, currency));
      return {
        done: status === 200,
        state: parsePaymentStatus(answer.data.status ?? ""),
        capturedMinor: minor(answer.data.capturedAmount),
        refundedMinor: minor(answer.data.refundedAmount),
        error: answer.data.error ?? null,
      };
    },
    async bankOf(transactionId) {
      const payment = await call("GET", `/api/v1/payments/${encodeURIComponent(transactionId)}`);
      const known = paymentAnswer.safeParse(payment.body);
      if (!known.success) return undefined;
      const id = known.data.bsimId;
      const bank = await call("GET", `/api/v1/registry/bsims/${encodeURIComponent(id)}`);
      const named = bankAnswer.safeParse(bank.body);
      return { id, name: named.success ? named.data.name : id };
    },
  };
}

/**
 * A decline or failure comes as HTTP 400 with the normal body. Anything without a known status says nothing about the
 * payment, except a refusal of the request itself (4xx), which is final: it was never tried.
 */
function readAuthorization(status: number, body: unknown): AuthorizationResult {
  const answer = authorizeAnswer.safeParse(body);
  const state = answer.success ? parsePaymentStatus(answer.data.status) : null;
  if (
    answer.success &&
    (state === "authorized" || state === "captured" || state === "declined" || state === "failed")
  ) {
    return {
      state,
      transactionId: answer.data.transactionId ?? null,
      authorizationCode: answer.data.authorizationCode ?? null,
      declineReason: answer.data.declineReason ?? null,
    };
  }
  const final = status >= 400 && status < 500 && status !== 408 && status !== 425 && status !== 429;
  if (!final || state === "paying") throw new DomainError("ROUTER_UNAVAILABLE", { status });
  return { state: "failed", transactionId: null, authorizationCode: null, declineReason: "The payment was refused" };
}

async function callJson(
  options: RouterPaymentsOptions,
  call: { method: "GET" | "POST"; path: string; body: unknown; headers: Record<string, string> },
): Promise<{ status: number; body: unknown }> {
  try {
    const answer = await request(`${options.gatewayUrl}${call.path}`, {
      method: call.method,
      headers: {
        accept: "application/json",
        "content-type": "application/json",
        "x-api-key": options.apiKey,
        ...call.headers,
      },
      body: call.method === "POST" ? JSON.stringify(call.body) : null,
      signal: AbortSignal.timeout(timeoutMs),
    });
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of answer.body) {
      const bytes = Buffer.from(chunk);
      size += bytes.length;
      if (size > answerBytesMax) throw new RangeError("answer too large");
      chunks.push(bytes);
    }
    return { status: answer.statusCode, body: parseJson(Buffer.concat(chunks).toString("utf8")) };
  } catch (cause) {
    throw new DomainError("ROUTER_UNAVAILABLE", {}, { cause });
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
