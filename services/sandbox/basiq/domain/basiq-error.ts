/** What an error of Basiq's says. */
export interface ErrorFacts {
  readonly code: string;
  readonly status: number;
  readonly title: string;
  readonly detail: string;
  /** The parameter at fault. */
  readonly parameter?: string | undefined;
}

/** An error in Basiq's words. */
export class BasiqError extends Error {
  override readonly name = "BasiqError";
  readonly facts: ErrorFacts;

  constructor(facts: ErrorFacts) {
    super(facts.code);
    this.facts = facts;
  }
}

const errors = {
  "invalid-credentials": [401, "Invalid credentials", "The API key is not known."],
  "unauthorized-access": [401, "Unauthorized Access", "You are not authorized to access this resource"],
  "invalid-authorization-token": [401, "Unauthorized Access", "The access token is missing, unknown or has expired."],
  "forbidden-access": [403, "Forbidden Access", "Access to this resource is forbidden."],
  "access-denied": [403, "Access denied", "The user has no active consent."],
  "resource-not-found": [404, "Requested resource is not found.", "Resource not found."],
  "resource-already-exists": [409, "Resource already exists", "Webhook with provided url already exists."],
  "resource-gone": [410, "Requested resource is gone.", "The link has expired."],
  "parameter-not-supplied": [400, "Required parameter is missing.", "A required parameter is not supplied."],
  "parameter-not-valid": [400, "Parameter value is not valid", "The parameter is in invalid format or unsupported"],
  "invalid-content": [400, "Invalid request content", "Posted request not valid."],
  "institution-not-supported": [400, "Institution not supported", "The institution is not supported."],
  "too-many-requests": [429, "Too many requests", "You have exceeded the rate limit for this API."],
  "internal-server-error": [500, "Internal Server error.", "Internal Server error. Contact support."],
  "service-unavailable": [503, "Service Unavailable", "Service Unavailable. Try again later."],
} as const satisfies Readonly<Record<string, readonly [number, string, string]>>;

/** Codes the sandbox answers with. */
export type BasiqErrorCode = keyof typeof errors;

/** The error of a code; `detail` and `parameter` where they say more. */
export function basiqError(code: BasiqErrorCode, more: { detail?: string; parameter?: string } = {}): BasiqError {
  const [status, title, detail] = errors[code];
  return new BasiqError({ code, status, title, detail: more.detail ?? detail, parameter: more.parameter });
}

/** Whether a code is one of {@link BasiqErrorCode}. */
export function isBasiqErrorCode(code: string): code is BasiqErrorCode {
  return Object.hasOwn(errors, code);
}

/** The body of an error answer. */
export function errorList(facts: ErrorFacts, correlationId: string) {
  const { code, title, detail, parameter } = facts;
  const source = parameter === undefined ? null : { parameter };
  return { type: "list", correlationId, data: [{ type: "error", code, title, detail, source }] };
}
