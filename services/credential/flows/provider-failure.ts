import { DomainError } from "../../platform/errors/domain-error.ts";
import { ProviderError } from "../connectors/provider-error.ts";

/**
 * What somebody who uses a provider is told of its failure: `REAUTHORIZATION_REQUIRED`, `PROVIDER_RATE_LIMITED`,
 * `PROVIDER_NOT_CONFIGURED`, else `PROVIDER_UNAVAILABLE`.
 */
export function providerFailure(cause: ProviderError): DomainError {
  switch (cause.failure) {
    case "reauthorize":
    case "grant_refused":
    case "scope_limited":
      return new DomainError("REAUTHORIZATION_REQUIRED", {}, { cause });
    case "rate_limited": {
      const facts = cause.retryAfterMs === undefined ? {} : { retryAfterSeconds: Math.ceil(cause.retryAfterMs / 1000) };
      return new DomainError("PROVIDER_RATE_LIMITED", facts, { cause });
    }
    default:
      return new DomainError("PROVIDER_UNAVAILABLE", {}, { cause });
  }
}

/** What a provider answers, its failures in our words as by `providerFailure`. */
export async function fromProvider<T>(asked: Promise<T>): Promise<T> {
  try {
    return await asked;
  } catch (error) {
    throw error instanceof ProviderError ? providerFailure(error) : error;
  }
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
