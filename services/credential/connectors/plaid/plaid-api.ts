import type { PlaidApi } from "plaid";
import { type ZodType, z } from "zod";
import { parseJsonAmounts } from "../../../platform/money/decimal-text.ts";
import type { ProviderCall } from "../connector.ts";
import { afterLostAnswer, ProviderError, type ProviderFailure, withCorrelationId } from "../provider-error.ts";
import {
  correlationIdOf,
  type ProviderHttp,
  type ProviderResponse,
  parseAnswer,
  retryAfterOf,
} from "../provider-http.ts";

const amountNames: ReadonlySet<string> = new Set(["amount", "available", "current", "limit"]);
const codesMaxLength = 80;

/** Calls Plaid by its own client, over our connections and under our limits. */
export interface PlaidCalls {
  /** Makes one call and reads its answer; amounts arrive as the text Plaid wrote. Throws `ProviderError`. */
  ask<T>(send: (api: PlaidApi) => Promise<unknown>, shape: ZodType<T>, call: ProviderCall): Promise<T>;
}

/** A refusal of Plaid's, by its code. */
export class PlaidRefusal extends ProviderError {
  readonly code: string;

  constructor(failure: ProviderFailure, code: string, facts: ConstructorParameters<typeof ProviderError>[1]) {
    super(failure, facts);
    this.code = code;
  }
}

/** Makes the caller. */
export function createPlaidCalls(options: {
  readonly http: ProviderHttp;
  readonly baseUrl: string;
  readonly clientId: string;
  readonly secret: string;
}): PlaidCalls {
  const headers = {
    "content-type": "application/json",
    "plaid-client-id": options.clientId,
    "plaid-secret": options.secret,
    "plaid-version": "2020-09-14",
  };
  return {
    ask: async (send, shape, call) => {
      let response: ProviderResponse | undefined;
      // What the client's own transport would do: it knows neither our limits nor our deadlines, and reads amounts as floats.
      const adapter = async (sent: { url?: string; data?: unknown }) => {
        const body = typeof sent.data === "string" ? sent.data : "{}";
        response = await options.http.send({ url: sent.url ?? "", method: "POST", headers, body }, call);
        return { data: undefined, status: response.status, statusText: "", headers: {}, config: sent };
      };
      // Loaded when it is first needed: it holds the whole of Plaid's API, 50 MB of memory and half a second of a start.
      const { Configuration, PlaidApi } = await import("plaid");
      const api = new PlaidApi(new Configuration({ basePath: options.baseUrl, baseOptions: { adapter } }));
      await send(api);
      if (response === undefined) throw new ProviderError("unavailable", { detail: "the client sent nothing" });
      return readAnswer(response, shape);
    },
  };
}

const requestId = z
  .string()
  .regex(/^[\w-]{1,128}$/)
  .optional()
  .catch(undefined);
const answerShape = z.looseObject({ request_id: requestId });
const errorShape = z.looseObject({
  error_type: z.string().max(codesMaxLength),
  error_code: z.string().max(codesMaxLength),
  request_id: requestId,
});

function readAnswer<T>(response: ProviderResponse, shape: ZodType<T>): T {
  const parse = (text: string) => parseJsonAmounts(text, amountNames);
  if (response.status >= 400) {
    const refusal = errorShape.safeParse(parse(response.text));
    if (refusal.success) throw refusalOf(refusal.data, response);
  }
  try {
    return parseAnswer(response, shape, parse);
  } catch (error) {
    // Plaid names its answers in the body.
    const { data } = answerShape.safeParse(parse(response.text));
    // Only its refusals say that nothing was done: a gateway may have given up on it after the effect.
    throw error instanceof ProviderError ? afterLostAnswer(withCorrelationId(error, data?.request_id)) : error;
  }
}

function refusalOf(error: z.infer<typeof errorShape>, response: ProviderResponse): PlaidRefusal {
  const failure = failureOf(error.error_type, error.error_code, response.status);
  const detail = /^[A-Z_]+$/.test(error.error_code) ? error.error_code.toLowerCase() : undefined;
  const retryAfterMs = failure === "rate_limited" ? retryAfterOf(response) : undefined;
  const correlationId = error.request_id ?? correlationIdOf(response);
  const mayHaveActed = response.status >= 500;
  return new PlaidRefusal(failure, error.error_code, { detail, retryAfterMs, correlationId, mayHaveActed });
}

/** Codes after which only the person himself can bring an item back, in update mode. */
export const reauthorizeCodes: ReadonlySet<string> = new Set([
  "ITEM_LOGIN_REQUIRED",
  "INSUFFICIENT_CREDENTIALS",
  "INVALID_CREDENTIALS",
  "INVALID_MFA",
  "INVALID_UPDATED_USERNAME",
  "ITEM_LOCKED",
  "USER_SETUP_REQUIRED",
  "USER_INPUT_TIMEOUT",
  "ACCESS_NOT_GRANTED",
]);
const goneCodes: ReadonlySet<string> = new Set([
  "INVALID_ACCESS_TOKEN",
  "INVALID_PUBLIC_TOKEN",
  "ITEM_NOT_FOUND",
  "USER_PERMISSION_REVOKED",
  "USER_ACCOUNT_REVOKED",
]);
const ourFaultCodes: ReadonlySet<string> = new Set(["INVALID_API_KEYS", "UNAUTHORIZED_ENVIRONMENT", "UNAUTHORIZED"]);
const refusedCodes: ReadonlySet<string> = new Set(["PRODUCTS_NOT_SUPPORTED", "NO_ACCOUNTS", "PRODUCT_NOT_ENABLED"]);

function failureOf(type: string, code: string, status: number): ProviderFailure {
  if (status === 429 || type === "RATE_LIMIT_EXCEEDED") return "rate_limited";
  if (reauthorizeCodes.has(code)) return "reauthorize";
  if (goneCodes.has(code)) return "grant_refused";
  if (ourFaultCodes.has(code)) return "client_refused";
  if (refusedCodes.has(code)) return "forbidden";
  return "unavailable";
}
