/** What went wrong with a bank, as far as we act on it. Its own text is never kept: it may quote what we sent. */
export type ProviderFailure =
  /** No usable answer: down, slow, 5xx, or an answer that is not what the contract says. */
  | "unavailable"
  /** It refused the access token or credential (401). */
  | "unauthorized"
  /** It knows us and says no (403). */
  | "forbidden"
  | "not_found"
  /** `invalid_grant`: the code or refresh token is not good any more. */
  | "grant_refused"
  /** `invalid_client`: our own client id or secret is wrong there. */
  | "client_refused"
  /** The answer to our consent request was not for us: state, `iss` or nonce do not fit. */
  | "mismatch";

/** A call to a bank that failed. `oauthError` is an OAuth error code such as `access_denied`, checked to be one. */
export class ProviderError extends Error {
  override readonly name = "ProviderError";
  readonly failure: ProviderFailure;
  readonly oauthError: string | undefined;

  constructor(failure: ProviderFailure, options: { oauthError?: string | undefined; detail?: string } = {}) {
    super(options.detail === undefined ? `provider: ${failure}` : `provider: ${failure} (${options.detail})`);
    this.failure = failure;
    this.oauthError = options.oauthError;
  }
}

/** An OAuth error code as RFC 6749 writes them, or undefined for any other text a bank may put there. */
export function parseOauthError(text: unknown): string | undefined {
  return typeof text === "string" && /^[a-z][a-z0-9_]{1,63}$/.test(text) ? text : undefined;
}
