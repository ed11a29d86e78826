import { DomainError } from "../../platform/errors/domain-error.ts";
import { ProviderError } from "../connectors/provider-error.ts";
import type { CircuitScope } from "../storage/circuit-store.ts";
import type { Dependencies } from "./dependencies.ts";
import type { Refresher } from "./refresh.ts";

// For callers of a provider that asks to be left alone and does not say how long.
const waitMsUnsaid = 60_000;

/**
 * What somebody who uses a provider is told of its failure: `REAUTHORIZATION_REQUIRED`; `PROVIDER_RATE_LIMITED` with the seconds to wait, from 1
 * up to a day; else `PROVIDER_UNAVAILABLE`.
 */
export function providerFailure(cause: ProviderError): DomainError {
  switch (cause.failure) {
    case "reauthorize":
    case "grant_refused":
    case "scope_limited":
      return new DomainError("REAUTHORIZATION_REQUIRED", {}, { cause });
    case "rate_limited":
      return rateLimited(cause.retryAfterMs, cause);
    default:
      return new DomainError("PROVIDER_UNAVAILABLE", {}, { cause });
  }
}

/** Why a refresh brought no tokens although the consent stands: the institution wants to be left alone, or it does not answer. */
export function refreshFailure({ circuits }: Pick<Refresher, "circuits">, of: CircuitScope): DomainError {
  const waitMs = circuits.limitedForMs(of);
  return waitMs === undefined ? new DomainError("PROVIDER_UNAVAILABLE") : rateLimited(waitMs);
}

function rateLimited(waitMs = waitMsUnsaid, cause?: ProviderError): DomainError {
  const retryAfterSeconds = Math.max(1, Math.ceil(waitMs / 1_000));
  return new DomainError("PROVIDER_RATE_LIMITED", { retryAfterSeconds }, cause === undefined ? {} : { cause });
}

/** Whether the provider cannot be asked now, and nothing is known of the connection itself. */
export function isOutage({ reason }: DomainError): boolean {
  return reason === "PROVIDER_UNAVAILABLE" || reason === "PROVIDER_RATE_LIMITED";
}

/** What a provider was asked, for the log. */
export interface AskedOfProvider {
  readonly connector: string;
  /** In a word or two, such as `list_accounts`. */
  readonly operation: string;
  readonly connectionId?: string | undefined;
  readonly institutionId?: string | undefined;
}

/** What a provider answers, its failures logged, and in our words as by `providerFailure`. */
export async function fromProvider<T>(
  deps: Pick<Dependencies, "log">,
  asked: AskedOfProvider,
  answer: Promise<T>,
): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    if (!(error instanceof ProviderError)) throw error;
    logProviderFailure(deps, asked, error);
    throw providerFailure(error);
  }
}

/**
 * What a log line may say of a provider's failure, beside the connector: its kind, our words for it, and the id by which the provider's support
 * finds the call. What was sent and what was answered are not in it.
 */
export function failureFacts(error: ProviderError) {
  const { failure: reason, detail, oauthError, correlationId } = error;
  return { reason, detail: detail ?? oauthError, correlationId };
}

/** One line for a failure that ends here as somebody's answer. Without a stack: nothing of ours is broken. */
export function logProviderFailure(
  { log }: Pick<Dependencies, "log">,
  asked: AskedOfProvider,
  error: ProviderError,
): void {
  log.warn({ ...asked, ...failureFacts(error) }, "a provider did not do what it was asked");
}

/** As `providerFailure`, for whatever a use of a connection threw; undefined for what is no failure of the provider or its consent. */
export function useFailure(error: unknown): DomainError | undefined {
  if (error instanceof ProviderError) return providerFailure(error);
  if (error instanceof Error && (error.name === "AbortError" || error.name === "TimeoutError")) {
    return new DomainError("PROVIDER_UNAVAILABLE", {}, { cause: error });
  }
  if (!(error instanceof DomainError)) return undefined;
  const same = sameMeaning[error.reason];
  return same === undefined ? error : new DomainError(same, {}, { cause: error });
}

/** Reasons in the words of banks, whose contract is older. */
const sameMeaning: Readonly<Record<string, string>> = {
  MISSING_ACCESS_TOKEN: "REAUTHORIZATION_REQUIRED",
  BSIM_TOKEN_EXPIRED: "REAUTHORIZATION_REQUIRED",
  BSIM_INVALID_CREDENTIALS: "PROVIDER_UNAVAILABLE",
  BSIM_UNAVAILABLE: "PROVIDER_UNAVAILABLE",
};
