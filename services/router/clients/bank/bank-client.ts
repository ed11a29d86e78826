import { toMajorNumber } from "../../../platform/money/amount.ts";
import type { Currency } from "../../../platform/money/currency.ts";
import type { Bank } from "../../domain/bank-directory.ts";
import type { AuthorizeOutcome, OperationOutcome } from "../../domain/bank-outcome.ts";
import type { Operation } from "../../domain/operation.ts";
import { bankDeadlineMs, type Payment } from "../../domain/payment.ts";
import { readAuthorizeAnswer, readOperationAnswer } from "./bank-answer.ts";
import type { BankCircuits } from "./bank-circuits.ts";
import type { BankHttp, PostCall, PostResult } from "./bank-http.ts";

/** An authorization to ask a bank for. The amount is in minor units; the payment id is the bank's Idempotency-Key. */
export interface AuthorizeCall {
  readonly paymentId: string;
  readonly cardToken: string;
  readonly amountMinor: bigint;
  readonly currency: Currency;
  readonly merchantId: string;
  readonly merchantName: string | undefined;
  readonly orderId: string;
  readonly description: string | undefined;
}

/** The payment network of the banks. No method rejects: what cannot be known is an outcome of its own. */
export interface BankClient {
  authorize(bank: Bank, call: AuthorizeCall): Promise<AuthorizeOutcome>;
  /**
   * One capture, void or refund call under the operation's id. `resent`: the same operation may have reached the bank
   * before; see `readOperationAnswer`.
   */
  operate(bank: Bank, payment: Payment, operation: Operation, resent: boolean): Promise<OperationOutcome>;
  /**
   * Releases a hold: by its code, or by the key sent with authorize at a bank that declares `void_by_key`. True once the
   * bank says there is no hold any more.
   */
  release(
    bank: Bank,
    hold: { readonly paymentId: string; readonly authorizationCode: string | undefined },
  ): Promise<boolean>;
}

/** A call lost so early leaves time for asking a second time. */
const resendMsMin = 1_000;

/** Makes the client over shared connections; the caller closes those. */
export function createBankClient(http: BankHttp, circuits: BankCircuits): BankClient {
  const post = async (bank: Bank, call: PostCall): Promise<PostResult> => {
    const result = await http.post(call);
    circuits.record(bank.bankId, result.kind === "answer");
    return result;
  };
  return {
    authorize: async (bank, call) => {
      const startedAt = performance.now();
      const request = authorizeRequest(bank, call);
      const first = await post(bank, request);
      const leftMs = Math.floor(bankDeadlineMs - (performance.now() - startedAt));
      // A bank that replays by key may be asked again for an answer that was lost; any other must never be.
      if (first.kind !== "network" || !first.sent || !bank.idempotency || leftMs < resendMsMin) {
        return readAuthorizeAnswer(first, false);
      }
      return readAuthorizeAnswer(await post(bank, { ...request, timeoutMs: leftMs }), true);
    },
    operate: async (bank, payment, operation, resent) => {
      const amount = operation.kind === "void" ? undefined : toMajorNumber(operation.amountMinor, payment.currency);
      const body = { authorizationCode: payment.authorizationCode, amount };
      const result = await post(bank, requestTo(bank, operation.kind, operation.operationId, body));
      return readOperationAnswer(operation.kind, result, resent);
    },
    release: async (bank, hold) => {
      if (hold.authorizationCode === undefined) {
        const result = await post(bank, requestTo(bank, "void", undefined, { idempotencyKey: hold.paymentId }));
        return readOperationAnswer("void", result, true) === "done";
      }
      const body = { authorizationCode: hold.authorizationCode };
      const outcome = readOperationAnswer("void", await post(bank, requestTo(bank, "void", undefined, body)), true);
      // A bank that refuses to void by code has no hold under it: it is voided, expired or unknown there.
      return outcome === "done" || outcome === "refused";
    },
  };
}

function authorizeRequest(bank: Bank, call: AuthorizeCall): PostCall {
  return requestTo(bank, "authorize", call.paymentId, {
    cardToken: call.cardToken,
    amount: toMajorNumber(call.amountMinor, call.currency),
    currency: call.currency,
    merchantId: call.merchantId,
    merchantName: call.merchantName,
    orderId: call.orderId,
    description: call.description,
  });
}

function requestTo(bank: Bank, path: string, idempotencyKey: string | undefined, body: unknown): PostCall {
  const headers: Record<string, string> = {
    "content-type": "application/json",
    accept: "application/json",
    "x-api-key": bank.apiKey,
  };
  if (idempotencyKey !== undefined) headers["idempotency-key"] = idempotencyKey;
  return {
    url: `${bank.apiBaseUrl}/api/payment-network/${path}`,
    headers,
    body: JSON.stringify(body),
    timeoutMs: bankDeadlineMs,
  };
}
