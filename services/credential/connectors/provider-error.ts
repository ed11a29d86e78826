/** What went wrong with a bank or provider, as far as we act on it. Its own text is never kept: it may quote what we sent. */
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
  | "mismatch"
  /** It asks us to come back later (429), after `retryAfterMs` where it says so. */
  | "rate_limited"
  /** Only the user can help, by consenting anew; the credential itself may still exist. */
  | "reauthorize"
  /** This part of the consent needs the user now, such as a strong authentication; the rest of the connection works. */
  | "scope_limited";

/** What is known of a failure besides its kind. */
export interface ProviderErrorFacts {
  /** An OAuth error code such as `access_denied`, checked to be one. */
  readonly oauthError?: string | undefined;
  /** Words of ours, for logs. */
  readonly detail?: string | undefined;
  readonly retryAfterMs?: number | undefined;
  /** By which the provider finds the call in its own logs. */
  readonly correlationId?: string | undefined;
  /** The request may have been acted on: it was sent, and no answer came. */
  readonly mayHaveActed?: boolean | undefined;
}

/** A call to a bank or provider that failed. */
export class ProviderError extends Error {
  override readonly name = "ProviderError";
  readonly failure: ProviderFailure;
  readonly oauthError: string | undefined;
  readonly detail: string | undefined;
  readonly retryAfterMs: number | undefined;
  readonly correlationId: string | undefined;
  readonly mayHaveActed: boolean;

  constructor(failure: ProviderFailure, facts: ProviderErrorFacts = {}) {
    super(facts.detail === undefined ? `provider: ${failure}` : `provider: ${failure} (${facts.detail})`);
    this.failure = failure;
    this.oauthError = facts.oauthError;
    this.detail = facts.detail;
    this.retryAfterMs = facts.retryAfterMs;
    this.correlationId = facts.correlationId;
    this.mayHaveActed = facts.mayHaveActed ?? false;
  }
}

/** The same failure of a request that came after one whose answer was lost. */
export function afterLostAnswer(error: ProviderError): ProviderError {
  return new ProviderError(error.failure, { ...error, mayHaveActed: true });
}

/** The same failure with the id that the answer's body names it by; as it was when that names none. */
export function withCorrelationId(error: ProviderError, correlationId: string | undefined): ProviderError {
  return correlationId === undefined ? error : new ProviderError(error.failure, { ...error, correlationId });
}

/** Whether another try with the same credential may work, later or at once. */
export function isTransient(failure: ProviderFailure): boolean {
  return failure === "unavailable" || failure === "rate_limited";
}

/** Whether a provider shows this part of a consent only beside its user for now. */
export function isScopeLimited(error: unknown): boolean {
  return error instanceof ProviderError && error.failure === "scope_limited";
}

/** For `catch`: makes a provider's failure to tell what is merely good to know no failure of ours. Anything else is thrown on. */
export function nothingOfProvider(error: unknown): undefined {
  if (error instanceof ProviderError) return undefined;
  throw error;
}

/** An OAuth error code as RFC 6749 writes them, or undefined for any other text a bank may put there. */
export function parseOauthError(text: unknown): string | undefined {
  return typeof text === "string" && /^[a-z][a-z0-9_]{1,63}$/.test(text) ? text : undefined;
}
