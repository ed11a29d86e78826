import { createHash } from "node:crypto";
import { type ZodType, z } from "zod";
import { parseJsonAmounts } from "../../../platform/money/decimal-text.ts";
import type { ProviderCall } from "../connector.ts";
import { ProviderError, type ProviderFailure } from "../provider-error.ts";
import {
  correlationIdOf,
  type ProviderHttp,
  type ProviderResponse,
  parseAnswer,
  parseJson,
  retryAfterOf,
} from "../provider-http.ts";
import type { ProviderTokenPolicy, ProviderTokens } from "../provider-tokens.ts";
import { withinOneTimeout } from "../within-one-timeout.ts";

/** Basiq itself. */
export const productionUrl = "https://au-api.basiq.io";

const minuteMs = 60_000;
// Basiq says that more calls of /token than needed may fail; a token lives for an hour and serves every replica.
const renewAtAgeMs = 45 * minuteMs;
const neverPastAgeMs = 55 * minuteMs;
// No lock is documented; ten are far more than a person who mistyped the key needs to notice.
const failuresMax = 10;
const amountNames: ReadonlySet<string> = new Set(["amount", "availableFunds", "balance"]);
const json = { "content-type": "application/json" };

/** An id of Basiq's: it stands in addresses. */
export const idShape = z.string().regex(/^[A-Za-z0-9_-]{1,100}$/);

/** A call below Basiq's address. */
export interface BasiqRequest {
  readonly method: "GET" | "POST" | "DELETE";
  /** Its parts are ids or come from Basiq; it may have a query. */
  readonly path: string;
  readonly body?: Readonly<Record<string, unknown>> | undefined;
}

/** What is called at Basiq, with the token that all replicas share. Everything fails with `ProviderError`. */
export interface BasiqApi {
  /** Without an end slash. */
  readonly baseUrl: string;
  ask<T>(request: BasiqRequest, shape: ZodType<T>, call: ProviderCall): Promise<T>;
  /** A token for the browser of one user, for his consent. */
  clientToken(userId: string, call: ProviderCall): Promise<{ token: string; expiresAt: Date }>;
}

/** What calls are made with. */
export interface BasiqApiOptions {
  readonly http: ProviderHttp;
  readonly providerTokens: ProviderTokens;
  readonly baseUrl: string;
  readonly apiKey: string;
}

const tokenShape = z.looseObject({
  access_token: z.string().regex(/^[\x21-\x7e]{8,8000}$/),
  expires_in: z.number().int().min(1).max(31_536_000),
});

/** Makes the caller. */
export function createBasiqApi(options: BasiqApiOptions): BasiqApi {
  const { http, providerTokens } = options;
  const baseUrl = options.baseUrl.replace(/\/+$/, "");
  // Another address has tokens of its own.
  const name = baseUrl === productionUrl ? "basiq" : `basiq@${new URL(baseUrl).host}`;
  const policy: ProviderTokenPolicy = {
    renewAtAgeMs,
    neverPastAgeMs,
    failuresMax,
    credentialsHash: createHash("sha256").update(options.apiKey).digest("hex"),
    mint: (call) => mint(options, baseUrl, { scope: "SERVER_ACCESS" }, call),
  };
  const send = async (request: BasiqRequest, token: string, call: ProviderCall) =>
    await http.send(
      {
        url: baseUrl + request.path,
        method: request.method,
        headers: { authorization: `Bearer ${token}`, "basiq-version": "3.0", ...(request.body && json) },
        body: request.body && JSON.stringify(request.body),
      },
      call,
    );
  return {
    baseUrl,
    ask: async (request, shape, call) => {
      const left = withinOneTimeout(call);
      const token = await providerTokens.get(name, policy, left());
      const response = await send(request, token, left());
      if (response.status !== 401) return readAnswer(response, shape);
      await providerTokens.reject(name, token);
      const fresh = await providerTokens.get(name, policy, left());
      return readAnswer(await send(request, fresh, left()), shape);
    },
    clientToken: (userId, call) => mint(options, baseUrl, { scope: "CLIENT_ACCESS", userId }, call),
  };
}

async function mint(
  { http, apiKey }: BasiqApiOptions,
  baseUrl: string,
  fields: Readonly<Record<string, string>>,
  call: ProviderCall,
): Promise<{ token: string; expiresAt: Date }> {
  const response = await http.send(
    {
      url: `${baseUrl}/token`,
      method: "POST",
      headers: {
        authorization: `Basic ${apiKey}`,
        "basiq-version": "3.0",
        "content-type": "application/x-www-form-urlencoded",
      },
      body: new URLSearchParams(fields).toString(),
    },
    call,
  );
  if (response.status === 401 || response.status === 403) {
    throw new ProviderError("client_refused", factsOf(response));
  }
  const { access_token: token, expires_in: seconds } = readAnswer(response, tokenShape);
  return { token, expiresAt: new Date(call.now.getTime() + seconds * 1_000) };
}

function readAnswer<T>(response: ProviderResponse, shape: ZodType<T>): T {
  // 204 has no body, which is all it says.
  if (response.status === 204) return parseAnswer({ ...response, text: "null" }, shape);
  if (response.status >= 400) throw new ProviderError(failureOf(response.status), factsOf(response));
  return parseAnswer(response, shape, (text) => parseJsonAmounts(text, amountNames));
}

function failureOf(status: number): ProviderFailure {
  if (status === 403) return "forbidden";
  if (status === 404 || status === 410) return "not_found";
  // 401 is about our token, never about a user: a new one was refused as well.
  return status === 429 ? "rate_limited" : "unavailable";
}

const errorShape = z.looseObject({
  correlationId: z
    .string()
    .regex(/^[\w-]{1,128}$/)
    .optional()
    .catch(undefined),
  data: z.array(z.looseObject({ code: z.string().regex(/^[a-z][a-z-]{1,60}$/) })).min(1),
});

/** The first of the errors in the list, and the id it is found by; its words are not kept. */
function factsOf(response: ProviderResponse) {
  const errors = errorShape.safeParse(parseJson(response.text));
  const code = errors.success ? errors.data.data[0]?.code : undefined;
  return {
    detail: code ?? `status ${response.status}`,
    correlationId: (errors.success ? errors.data.correlationId : undefined) ?? correlationIdOf(response),
    retryAfterMs: response.status === 429 ? retryAfterOf(response) : undefined,
  };
}
