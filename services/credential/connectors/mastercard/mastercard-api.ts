import { createHash } from "node:crypto";
import { type ZodType, z } from "zod";
import { parseJsonAmounts } from "../../../platform/money/decimal-text.ts";
import type { ProviderCall } from "../connector.ts";
import { ProviderError, type ProviderErrorFacts, type ProviderFailure } from "../provider-error.ts";
import {
  correlationIdOf,
  type ProviderHttp,
  type ProviderRequest,
  type ProviderResponse,
  parseAnswer,
  retryAfterOf,
} from "../provider-http.ts";
import type { ProviderTokenPolicy, ProviderTokens } from "../provider-tokens.ts";
import { withinOneTimeout } from "../within-one-timeout.ts";

const minuteMs = 60_000;
const tokenName = "mastercard";
const tokenLifeMs = 120 * minuteMs;
/** Amounts keep their text, and so do ids of 64 bits, which a float would round. */
const textNames: ReadonlySet<string> = new Set([
  "amount",
  "balance",
  "availableBalanceAmount",
  "creditAvailableAmount",
  "id",
  "customerId",
  "accountId",
  "institutionId",
  "institutionLoginId",
]);
// The last one is the notification service's.
const refusedTokenCodes: ReadonlySet<string> = new Set(["10022", "10023", "10024", "1503"]);

/** An id as Mastercard counts them. */
export const idShape = z.string().regex(/^\d{1,19}$/);

/** A refusal of Mastercard's, by its code. */
export class MastercardRefusal extends ProviderError {
  /** Digits. */
  readonly code: string;

  constructor(failure: ProviderFailure, code: string, facts: ProviderErrorFacts) {
    super(failure, facts);
    this.code = code;
  }
}

/** Calls in the partner's name. Throws `ProviderError`, for a refusal in Mastercard's codes `MastercardRefusal`. */
export interface MastercardApi {
  /** Reads an answer; amounts and ids arrive as text. `path` begins with a slash. */
  get<T>(path: string, shape: ZodType<T>, call: ProviderCall): Promise<T>;
  post<T>(path: string, body: object, shape: ZodType<T>, call: ProviderCall): Promise<T>;
  put<T>(path: string, body: object, shape: ZodType<T>, call: ProviderCall): Promise<T>;
  delete(path: string, call: ProviderCall): Promise<void>;
}

/** What calls are made with. */
export interface MastercardApiOptions {
  readonly http: ProviderHttp;
  readonly providerTokens: ProviderTokens;
  readonly baseUrl: string;
  readonly partnerId: string;
  readonly partnerSecret: string;
  readonly appKey: string;
}

/** Makes the caller. The partner's token is shared by everybody; one that is refused is renewed once, and the call made again. */
export function createMastercardApi(options: MastercardApiOptions): MastercardApi {
  const { http, providerTokens, baseUrl, appKey } = options;
  const policy = tokenPolicy(options);
  const send = async <T>(request: Omit<ProviderRequest, "headers">, shape: ZodType<T>, call: ProviderCall) => {
    const next = withinOneTimeout(call);
    const sendOnce = async () => {
      const token = await providerTokens.get(tokenName, policy, next());
      const headers = { ...headersOf(appKey, request.body), "finicity-app-token": token };
      const response = await http.send({ ...request, url: `${baseUrl}${request.url}`, headers }, next());
      return { token, response };
    };
    const first = await sendOnce();
    if (!isTokenRefused(first.response)) return readAnswer(first.response, shape);
    await providerTokens.reject(tokenName, first.token);
    const second = await sendOnce();
    if (!isTokenRefused(second.response)) return readAnswer(second.response, shape);
    // Never `unauthorized`: it is our token that was refused, and no user's consent.
    const correlationId = correlationIdOf(second.response);
    throw new ProviderError("unavailable", { detail: "it refuses the token it gave", correlationId });
  };
  return {
    get: (url, shape, call) => send({ url, method: "GET" }, shape, call),
    post: (url, body, shape, call) => send({ url, method: "POST", body: JSON.stringify(body) }, shape, call),
    put: (url, body, shape, call) => send({ url, method: "PUT", body: JSON.stringify(body) }, shape, call),
    delete: async (url, call) => void (await send({ url, method: "DELETE" }, z.unknown(), call)),
  };
}

/** Two hours it lives; it is renewed early enough for a mint that has to be tried again, and five failed logins lock the partner. */
function tokenPolicy({ http, baseUrl, partnerId, partnerSecret, appKey }: MastercardApiOptions): ProviderTokenPolicy {
  const url = `${baseUrl}/aggregation/v2/partners/authentication`;
  const body = JSON.stringify({ partnerId, partnerSecret });
  return {
    renewAtAgeMs: 90 * minuteMs,
    neverPastAgeMs: 105 * minuteMs,
    failuresMax: 5,
    credentialsHash: createHash("sha256").update(`${partnerId}\n${partnerSecret}\n${appKey}`).digest("hex"),
    mint: async (call) => {
      const response = await http.send({ url, method: "POST", headers: headersOf(appKey, body), body }, call);
      const { token } = readAnswer(response, z.looseObject({ token: z.string().min(1).max(512) }), "client_refused");
      return { token, expiresAt: new Date(call.now.getTime() + tokenLifeMs) };
    },
  };
}

function headersOf(appKey: string, body: string | undefined): Record<string, string> {
  return { "finicity-app-key": appKey, ...(body === undefined ? {} : { "content-type": "application/json" }) };
}

function isTokenRefused(response: ProviderResponse): boolean {
  return response.status === 401 && refusedTokenCodes.has(codeOf(response) ?? "");
}

/** `refusal` is what a plain no (400, 401, 403) means here; without it the code decides. */
function readAnswer<T>(response: ProviderResponse, shape: ZodType<T>, refusal?: ProviderFailure): T {
  const correlationId = correlationIdOf(response);
  const code = response.status < 400 ? undefined : codeOf(response);
  const isNo = response.status === 400 || response.status === 401 || response.status === 403;
  if (isNo && refusal !== undefined) throw new MastercardRefusal(refusal, code ?? "", { correlationId });
  if (code !== undefined) {
    const failure = failureOf(code, response.status);
    const retryAfterMs = failure === "rate_limited" ? retryAfterOf(response) : undefined;
    throw new MastercardRefusal(failure, code, { detail: `code ${code}`, retryAfterMs, correlationId });
  }
  if (response.status === 401) throw new ProviderError("client_refused", { correlationId });
  if (response.status === 204 || response.text === "") return parseAnswer({ ...response, text: "null" }, shape);
  return parseAnswer(response, shape, (text) => parseJsonAmounts(text, textNames));
}

const errorShape = z.looseObject({ code: z.coerce.string().regex(/^\d{1,9}$/) });
/** The notification service has a shape of its own. */
const notificationErrorShape = z.looseObject({
  Errors: z.looseObject({ Error: z.array(z.looseObject({ reasonCode: z.coerce.string().regex(/^\d{1,9}$/) })).min(1) }),
});

function codeOf(response: ProviderResponse): string | undefined {
  const body = parseJsonAmounts(response.text, textNames);
  const error = errorShape.safeParse(body);
  if (error.success) return error.data.code;
  return notificationErrorShape.safeParse(body).data?.Errors.Error[0]?.reasonCode;
}

const failures: ReadonlyMap<string, ProviderFailure> = new Map([
  ["10001", "client_refused"],
  ["10021", "client_refused"],
  ["10026", "client_refused"],
  ["10027", "client_refused"],
  ["24302", "client_refused"],
  ["1501", "not_found"],
  ["1502", "forbidden"],
  ["14001", "not_found"],
  ["38007", "not_found"],
  ["3003", "not_found"],
  ["3004", "not_found"],
  ["977", "rate_limited"],
]);

function failureOf(code: string, status: number): ProviderFailure {
  if (status === 429) return "rate_limited";
  if (status >= 500) return "unavailable";
  const known = failures.get(code);
  if (known !== undefined) return known;
  if (status === 401) return "client_refused";
  if (status === 404) return "not_found";
  return "unavailable";
}
