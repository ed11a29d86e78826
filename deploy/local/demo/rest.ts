import { type Narrator, Surprise } from "./narrator.ts";

/** Members of a JSON answer, read by name. */
export type Json = Readonly<Record<string, unknown>>;

export interface RestCall {
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  /** The status the answer must have; 200 when absent. */
  readonly expect?: number;
  /** Leaves the exchange out of the story. */
  readonly quiet?: boolean;
}

const timeoutMs = 20_000;

/** Makes one REST call, tells it, and throws a Surprise when the status is another than expected. */
export async function rest(narrator: Narrator, call: RestCall): Promise<Json> {
  const response = await fetch(call.url, {
    method: call.method,
    headers: {
      accept: "application/json",
      ...(call.body === undefined ? {} : { "content-type": "application/json" }),
      ...call.headers,
    },
    ...(call.body === undefined ? {} : { body: JSON.stringify(call.body) }),
    signal: AbortSignal.timeout(timeoutMs),
  });
  const text = await response.text();
  if (call.quiet !== true) narrator.exchange(call.method, call.url, `${response.status} ${text}`);
  const expected = call.expect ?? 200;
  if (response.status !== expected)
    throw new Surprise(`${call.method} ${call.url} → ${expected}`, `${response.status} ${text.slice(0, 300)}`);
  const parsed: unknown = text === "" ? {} : JSON.parse(text);
  if (typeof parsed !== "object" || parsed === null) throw new Surprise("a JSON object", text.slice(0, 100));
  return parsed as Json; // an object; members are read through the functions below
}

/** A text member; a Surprise when it is missing. */
export function textOf(json: Json, name: string): string {
  const value = json[name];
  if (typeof value !== "string") throw new Surprise(`a text "${name}"`, JSON.stringify(value));
  return value;
}

/** A number member. */
export function numberOf(json: Json, name: string): number {
  const value = json[name];
  if (typeof value !== "number") throw new Surprise(`a number "${name}"`, JSON.stringify(value));
  return value;
}

/** An object member. */
export function objectOf(json: Json, name: string): Json {
  const value = json[name];
  if (typeof value !== "object" || value === null) throw new Surprise(`an object "${name}"`, JSON.stringify(value));
  return value as Json; // checked above
}

/** A list of objects. */
export function listOf(json: Json, name: string): Json[] {
  const value = json[name];
  if (!Array.isArray(value)) throw new Surprise(`a list "${name}"`, JSON.stringify(value));
  return value as Json[]; // our own answers' lists hold objects
}
