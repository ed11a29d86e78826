import { type ZodType, z } from "zod";
import { parseJsonAmounts } from "../../../platform/money/decimal-text.ts";
import type { ProviderCall } from "../connector.ts";
import { ProviderError, type ProviderErrorFacts, type ProviderFailure, parseOauthError } from "../provider-error.ts";
import {
  correlationIdOf,
  type ProviderHttp,
  type ProviderResponse,
  parseAnswer,
  retryAfterOf,
} from "../provider-http.ts";
import type { TrueLayerHosts } from "./truelayer-settings.ts";

const amountNames: ReadonlySet<string> = new Set(["amount", "available", "current"]);
const formType = { "content-type": "application/x-www-form-urlencoded" };

/** A refusal of TrueLayer's, by its word. */
export class TrueLayerRefusal extends ProviderError {
  readonly word: string;

  constructor(failure: ProviderFailure, word: string, facts: ProviderErrorFacts) {
    super(failure, facts);
    this.word = word;
  }
}

/** What is called at TrueLayer. Everything fails with `ProviderError`, a refusal in TrueLayer's words with `TrueLayerRefusal`. */
export interface TrueLayerApi {
  /** A call of the token endpoint in the app's name. */
  token<T>(fields: Readonly<Record<string, string>>, shape: ZodType<T>, call: ProviderCall): Promise<T>;
  /** The `results` of a reading; amounts arrive as the text TrueLayer wrote. */
  read<T>(path: string, accessToken: string, shape: ZodType<T>, call: ProviderCall): Promise<readonly T[]>;
  /** Asks to extend a connection in the app's name. */
  extend<T>(fields: Readonly<Record<string, unknown>>, shape: ZodType<T>, call: ProviderCall): Promise<T>;
  /** The list of all banks; public. */
  providers<T>(shape: ZodType<T>, call: ProviderCall): Promise<T>;
  /** The JSON text of a set of keys. */
  keySet(url: string, call: ProviderCall): Promise<string>;
  /** Ends a connection by its id, in the app's name; the status. */
  endConnection(credentialsId: string, call: ProviderCall): Promise<ProviderResponse>;
  /** Ends the connection of an access token; the status. */
  endOwnConnection(accessToken: string, call: ProviderCall): Promise<ProviderResponse>;
}

/** What calls are made with. */
export interface TrueLayerApiOptions {
  readonly http: ProviderHttp;
  readonly hosts: TrueLayerHosts;
  readonly clientId: string;
  readonly clientSecret: string;
}

/** Makes the caller. */
export function createTrueLayerApi(options: TrueLayerApiOptions): TrueLayerApi {
  const { http, hosts, clientId, clientSecret } = options;
  const app = { client_id: clientId, client_secret: clientSecret };
  const get = (url: string, call: ProviderCall, headers = {}) => http.send({ url, method: "GET", headers }, call);
  const remove = (path: string, authorization: string, call: ProviderCall) =>
    http.send({ url: `${hosts.auth}${path}`, method: "DELETE", headers: { authorization } }, call);
  return {
    token: async (fields, shape, call) => {
      const body = new URLSearchParams({ ...app, ...fields }).toString();
      const request = { url: `${hosts.auth}/connect/token`, method: "POST", headers: formType, body } as const;
      return readAnswer(await http.send(request, call), shape);
    },
    read: async (path, accessToken, shape, call) => {
      const response = await get(`${hosts.data}${path}`, call, bearer(accessToken));
      return readAnswer(response, z.looseObject({ results: z.array(shape).max(resultsMax) })).results;
    },
    extend: async (fields, shape, call) => {
      const headers = { "content-type": "application/json" };
      const body = JSON.stringify({ ...app, ...fields });
      const url = `${hosts.data}/connections/extend`;
      return readAnswer(await http.send({ url, method: "POST", headers, body }, call), shape);
    },
    providers: async (shape, call) => readAnswer(await get(`${hosts.auth}/api/providers`, call), shape),
    keySet: async (url, call) => {
      const response = await get(url, call);
      readAnswer(response, z.unknown());
      return response.text;
    },
    endConnection: async (credentialsId, call) => {
      const basic = `Basic ${Buffer.from(`${clientId}:${clientSecret}`).toString("base64")}`;
      return await remove(`/connect/token/${encodeURIComponent(credentialsId)}`, basic, call);
    },
    endOwnConnection: async (accessToken, call) => await remove("/api/delete", bearer(accessToken).authorization, call),
  };
}

const resultsMax = 20_000;

function bearer(accessToken: string): { authorization: string } {
  return { authorization: `Bearer ${accessToken}` };
}

function readAnswer<T>(response: ProviderResponse, shape: ZodType<T>): T {
  const parse = (text: string) => parseJsonAmounts(text, amountNames);
  const refusal = response.status < 400 ? undefined : refusalOf(response, parse(response.text));
  if (refusal !== undefined) throw refusal;
  return parseAnswer(response, shape, parse);
}

function refusalOf(response: ProviderResponse, body: unknown): TrueLayerRefusal | undefined {
  const word = typeof body === "object" && body !== null && "error" in body ? parseOauthError(body.error) : undefined;
  if (word === undefined) return undefined;
  const failure = failureOf(word, response.status);
  const retryAfterMs = failure === "rate_limited" ? retryAfterOf(response) : undefined;
  const facts = { oauthError: word, detail: word, retryAfterMs, correlationId: correlationIdOf(response) };
  return new TrueLayerRefusal(failure, word, facts);
}

/** The documented words; what is not among them is told by its status. */
const failures: ReadonlyMap<string, ProviderFailure> = new Map([
  ["invalid_grant", "grant_refused"],
  // Older than five minutes, or used before.
  ["invalid_authorization_code", "grant_refused"],
  ["invalid_client", "client_refused"],
  ["unauthorized_client", "client_refused"],
  ["unauthorized", "unauthorized"],
  ["invalid_token", "unauthorized"],
  ["access_denied", "reauthorize"],
  ["deprecated_provider", "reauthorize"],
  ["sca_exceeded", "scope_limited"],
  ["account_not_found", "not_found"],
  ["not_found", "not_found"],
  ["endpoint_not_supported", "not_found"],
]);

function failureOf(word: string, status: number): ProviderFailure {
  if (status === 429) return "rate_limited";
  const known = failures.get(word);
  if (known !== undefined) return known;
  if (status === 401) return "unauthorized";
  if (status === 403) return "forbidden";
  return status === 404 ? "not_found" : "unavailable";
}
