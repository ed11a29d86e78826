import { Agent, type Dispatcher, request } from "undici";
import type { ZodType } from "zod";
import type { ProviderCall } from "./connector.ts";
import { ProviderError } from "./provider-error.ts";
import { timeToSend } from "./time-to-send.ts";

const responseBytesMax = 1024 * 1024;
/** The `detail` of the error for an answer above the limit: asking for less may help. */
export const answerTooLarge = "UND_ERR_RES_EXCEEDED_MAX_SIZE";
const connectionsPerBank = 64;
const retryAfterMsMax = 86_400_000;
const correlationHeaders = ["x-correlation-id", "x-tl-correlation-id", "x-request-id", "x-trace-id", "request-id"];
// Without a connection nothing was sent, so nothing can have happened there.
const neverSent = new Set(["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH", "UND_ERR_CONNECT_TIMEOUT"]);

/** A request to a bank. */
export interface ProviderRequest {
  readonly url: string;
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | undefined;
}

/** A bank's answer, its body read whole. */
export interface ProviderResponse {
  readonly status: number;
  readonly contentType: string;
  /** Names in lower case; of several with one name the first. */
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
}

/** The HTTP client of all banks: connections are kept and bounded per bank, redirects are never followed. */
export interface ProviderHttp {
  /** Throws `ProviderError` "unavailable" without an answer in time, or with one above 1 MiB; "rate_limited" where the call has ended. */
  send(request: ProviderRequest, call: ProviderCall): Promise<ProviderResponse>;
  close(): Promise<void>;
}

/** Opens the client; whoever opened it closes it. */
export function openProviderHttp(): ProviderHttp {
  const agent = new Agent({
    connections: connectionsPerBank,
    keepAliveTimeout: 10_000,
    maxResponseSize: responseBytesMax,
  });
  return {
    send: async (outgoing, call) => {
      const limit = openLimit(timeToSend(call));
      try {
        const response = await request(outgoing.url, {
          method: outgoing.method,
          dispatcher: lookingOnceMore(agent, call),
          signal: limit.signal,
          headers: { accept: "application/json", ...outgoing.headers },
          ...(outgoing.body === undefined ? {} : { body: outgoing.body }),
        });
        const text = await response.body.text();
        const headers = firstOfEach(response.headers);
        return { status: response.statusCode, contentType: headers["content-type"] ?? "", headers, text };
      } catch (cause) {
        if (cause instanceof ProviderError) throw cause;
        // The cause may quote the address with what stands in it; its code is all that is worth telling.
        const code = codeOf(cause);
        throw new ProviderError("unavailable", { detail: code, mayHaveActed: !neverSent.has(code) });
      } finally {
        limit.close();
      }
    },
    close: () => agent.close(),
  };
}

/**
 * Looks at the time as the request is written: it may have waited for a connection until then, and the end of a wait is heard of before the
 * end of the time when the process stood still for both.
 */
function lookingOnceMore(agent: Dispatcher, call: ProviderCall): Dispatcher {
  if (call.endsAtMs === undefined) return agent;
  return agent.compose((dispatch) => (options, handler) => {
    const start = handler.onRequestStart?.bind(handler);
    // The handler is this request's own. What it throws here ends the request unsent.
    handler.onRequestStart = (controller, context) => {
      timeToSend(call);
      start?.(controller, context);
    };
    return dispatch(options, handler);
  });
}

/** The end of a call by its time or its caller; closed, it costs nothing any more, where a signal of the platform lives for all its time. */
function openLimit(call: ProviderCall): { readonly signal: AbortSignal; close(): void } {
  const abort = new AbortController();
  const onTime = () => abort.abort(new DOMException("no answer in time", "TimeoutError"));
  const onGone = () => abort.abort(call.signal?.reason);
  const timer = setTimeout(onTime, Math.max(1, call.timeoutMs));
  if (call.signal?.aborted === true) onGone();
  call.signal?.addEventListener("abort", onGone, { once: true });
  return {
    signal: abort.signal,
    close: () => {
      clearTimeout(timer);
      call.signal?.removeEventListener("abort", onGone);
    },
  };
}

/**
 * The JSON of a successful answer, parsed. Throws `ProviderError` by status: 401 unauthorized, 403 forbidden, 404 not_found, 429
 * rate_limited, anything else that is not 2xx, or not of the shape, unavailable. `parse` reads the text, `parseJson` unless told.
 */
export function parseAnswer<T>(
  response: ProviderResponse,
  shape: ZodType<T>,
  parse: (text: string) => unknown = parseJson,
): T {
  const correlationId = correlationIdOf(response);
  switch (response.status) {
    case 401:
      throw new ProviderError("unauthorized", { correlationId });
    case 403:
      throw new ProviderError("forbidden", { correlationId });
    case 404:
      throw new ProviderError("not_found", { correlationId });
    case 429:
      throw new ProviderError("rate_limited", { correlationId, retryAfterMs: retryAfterOf(response) });
    default:
      if (response.status < 200 || response.status > 299) {
        throw new ProviderError("unavailable", { correlationId, detail: `status ${response.status}` });
      }
  }
  const parsed = shape.safeParse(parse(response.text));
  if (!parsed.success) throw new ProviderError("unavailable", { correlationId, detail: "answer not understood" });
  return parsed.data;
}

/** How long the provider asks us to wait (RFC 9110, 10.2.3), at most a day; undefined when it does not say. */
export function retryAfterOf(response: Pick<ProviderResponse, "headers">, now = new Date()): number | undefined {
  const given = response.headers["retry-after"];
  if (given === undefined) return undefined;
  const waitMs = /^\d{1,9}$/.test(given) ? Number.parseInt(given, 10) * 1000 : Date.parse(given) - now.getTime();
  return Number.isNaN(waitMs) ? undefined : Math.min(Math.max(0, waitMs), retryAfterMsMax);
}

/** The id by which a provider finds this answer in its logs; undefined when it sent none, or one that is not an id. */
export function correlationIdOf(response: Pick<ProviderResponse, "headers">): string | undefined {
  for (const name of correlationHeaders) {
    const value = response.headers[name];
    if (value !== undefined && /^[\w.:/+=-]{1,128}$/.test(value)) return value;
  }
  return undefined;
}

/** JSON as unknown; undefined for what is not JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function firstOfEach(headers: Readonly<Record<string, string | string[] | undefined>>): Record<string, string> {
  const first: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    const [text] = [value ?? []].flat();
    if (text !== undefined) first[name.toLowerCase()] = text;
  }
  return first;
}

function codeOf(cause: unknown): string {
  if (!(cause instanceof Error)) return "no answer";
  const code = "code" in cause && typeof cause.code === "string" ? cause.code : cause.name;
  return code.slice(0, 40);
}
