/** A REST answer, its body parsed when it is a JSON object. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly body: Readonly<Record<string, unknown>>;
}

/** What a REST call sends beside method and address. */
export interface CallOptions {
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON; a string is sent as it is. */
  readonly body?: unknown;
}

const timeoutMs = 35_000;

/** Calls a REST route and never throws for a status. Redirects are answered, not followed. */
export async function call(method: string, url: string, options: CallOptions = {}): Promise<Answer> {
  const { body } = options;
  const response = await fetch(url, {
    method,
    headers: { ...(body === undefined ? {} : { "content-type": "application/json" }), ...options.headers },
    ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
    redirect: "manual",
    signal: AbortSignal.timeout(timeoutMs),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, body: parseObject(response, text) };
}

function parseObject(response: Response, text: string): Record<string, unknown> {
  if (response.headers.get("content-type")?.startsWith("application/json") !== true) return {};
  const parsed: unknown = JSON.parse(text);
  return typeof parsed === "object" && parsed !== null && !Array.isArray(parsed) ? { ...parsed } : {};
}
