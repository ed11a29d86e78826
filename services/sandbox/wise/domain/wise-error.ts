/** A refusal as Wise words it: `{error, error_description}` for tokens and access, `{errors: […]}` for requests. */
export class WiseError extends Error {
  override readonly name = "WiseError";
  readonly code: string;
  readonly status: number;
  readonly body: object;

  constructor(status: number, code: string, body: object) {
    super(code);
    this.status = status;
    this.code = code;
    this.body = body;
  }
}

/** What the token endpoint refuses with, by OAuth's word. */
const tokenErrors = {
  invalid_request: [400, "Missing grant type"],
  unsupported_grant_type: [400, "Unsupported grant type"],
  invalid_grant: [401, "Invalid user credentials."],
  invalid_client: [401, "Bad client credentials"],
} as const satisfies Record<string, readonly [status: number, description: string]>;

/** One of OAuth's words that Wise uses. */
export type TokenErrorWord = keyof typeof tokenErrors;

/** Whether Wise's token endpoint uses this word. */
export function isTokenErrorWord(text: string): text is TokenErrorWord {
  return Object.hasOwn(tokenErrors, text);
}

/** A refusal of the token endpoint. */
export function tokenError(word: TokenErrorWord, description: string = tokenErrors[word][1]): WiseError {
  return new WiseError(tokenErrors[word][0], word, { error: word, error_description: description });
}

/** An access token that is not good. Wise repeats the token in its answer, and so does this. */
export function invalidToken(token: string): WiseError {
  return new WiseError(401, "invalid_token", { error: "invalid_token", error_description: token });
}

/** A request that cannot be answered as it is. */
export function requestError(status: number, code: string, message: string, path: string): WiseError {
  return new WiseError(status, code, { errors: [{ code, message, path, arguments: [] }] });
}

/** The profile is somebody else's, or nobody's; Wise does not tell which. */
export function forbidden(): WiseError {
  const message = "You do not have permission to access this resource";
  return new WiseError(403, "FORBIDDEN", { error: "FORBIDDEN", message });
}

/** A failure of Wise's own, in the shape of its framework. */
export function serverError(status: number): WiseError {
  return new WiseError(status, "SERVER_ERROR", { timestamp: 0, status, error: "Internal Server Error" });
}

/** Too many requests; `Retry-After` says when to come back. */
export function tooManyRequests(): WiseError {
  return new WiseError(429, "TOO_MANY_REQUESTS", { error: "TOO_MANY_REQUESTS", message: "Rate limit exceeded" });
}
