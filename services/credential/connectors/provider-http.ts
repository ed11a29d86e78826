import { Agent, request } from "undici";
import type { ZodType } from "zod";
import type { ProviderCall } from "./connector.ts";
import { ProviderError } from "./provider-error.ts";

const responseBytesMax = 1024 * 1024;
const connectionsPerBank = 64;

/** A request to a bank. */
export interface ProviderRequest {
  readonly url: string;
  readonly method: "GET" | "POST";
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | undefined;
}

/** A bank's answer, its body read whole. */
export interface ProviderResponse {
  readonly status: number;
  readonly contentType: string;
  readonly text: string;
}

/** The HTTP client of all banks: connections are kept and bounded per bank, redirects are never followed. */
export interface ProviderHttp {
  /** Throws `ProviderError` "unavailable" without an answer in time, or with one above 1 MiB. */
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
      const timeout = AbortSignal.timeout(Math.max(1, call.timeoutMs));
      const signal = call.signal === undefined ? timeout : AbortSignal.any([timeout, call.signal]);
      try {
        const response = await request(outgoing.url, {
          method: outgoing.method,
          dispatcher: agent,
          signal,
          headers: { accept: "application/json", ...outgoing.headers },
          ...(outgoing.body === undefined ? {} : { body: outgoing.body }),
        });
        const text = await response.body.text();
        const contentType = response.headers["content-type"];
        return { status: response.statusCode, contentType: String(contentType ?? ""), text };
      } catch (cause) {
        // The cause may quote the address with what stands in it; its code is all that is worth telling.
        throw new ProviderError("unavailable", { detail: codeOf(cause) });
      }
    },
    close: () => agent.close(),
  };
}

/**
 * The JSON of a successful answer, parsed. Throws `ProviderError` by status: 401 unauthorized, 403 forbidden, 404 not_found,
 * anything else that is not 2xx, or not of the shape, unavailable.
 */
export function parseAnswer<T>(response: ProviderResponse, shape: ZodType<T>): T {
  switch (response.status) {
    case 401:
      throw new ProviderError("unauthorized");
    case 403:
      throw new ProviderError("forbidden");
    case 404:
      throw new ProviderError("not_found");
    default:
      if (response.status < 200 || response.status > 299) {
        throw new ProviderError("unavailable", { detail: `status ${response.status}` });
      }
  }
  const parsed = shape.safeParse(parseJson(response.text));
  if (!parsed.success) throw new ProviderError("unavailable", { detail: "answer not understood" });
  return parsed.data;
}

/** JSON as unknown; undefined for what is not JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function codeOf(cause: unknown): string {
  if (!(cause instanceof Error)) return "no answer";
  const code = "code" in cause && typeof cause.code === "string" ? cause.code : cause.name;
  return code.slice(0, 40);
}
