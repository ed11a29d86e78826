import { BatcherFullError } from "../db/batcher.ts";
import { isDatabaseAway } from "../db/database-away.ts";
import { sqlStateOf } from "../db/transaction.ts";
import { DomainError } from "./domain-error.ts";
import { GrpcCode } from "./grpc-code.ts";

type Facts = Readonly<Record<string, unknown>>;

/** How one reason is told to callers of every protocol. */
export interface ErrorEntry {
  readonly code: GrpcCode;
  /** HTTP status; set explicitly because several reasons differ from the usual mapping of their code (410, 502). */
  readonly http: number;
  /** The word REST clients compare: member `error`. */
  readonly error: string | ((facts: Facts) => string);
  readonly message: string | ((facts: Facts) => string);
  /** Further members of the REST body, beside `error`. */
  readonly members?: (facts: Facts) => Record<string, unknown>;
}

/** Reason to entry; one per service, made of `genericErrors` and the service's own. */
export type ErrorTable = Readonly<Record<string, ErrorEntry>>;

/** An error as a caller may see it. */
export interface TranslatedError {
  readonly reason: string;
  readonly code: GrpcCode;
  readonly http: number;
  readonly error: string;
  readonly message: string;
  readonly members: Readonly<Record<string, unknown>>;
}

const internal: ErrorEntry = {
  code: GrpcCode.INTERNAL,
  http: 500,
  error: "server_error",
  message: "Something went wrong on our side",
};

function textFact(facts: Facts, name: string, otherwise: string): string {
  const value = facts[name];
  return typeof value === "string" ? value : otherwise;
}

/** For `members`: the fact `retryAfterSeconds`, where there is one. It becomes the header `Retry-After` too. */
export function retryAfterOf(facts: Facts): Record<string, unknown> {
  const { retryAfterSeconds } = facts;
  return typeof retryAfterSeconds === "number" ? { retryAfterSeconds } : {};
}

/** What any method may answer. Words by HTTP status; a service overrides an entry where its surface speaks differently. */
export const genericErrors: ErrorTable = Object.freeze({
  INVALID_ARGUMENT: {
    code: GrpcCode.INVALID_ARGUMENT,
    http: 400,
    error: "bad_request",
    message: (facts) => textFact(facts, "why", "The request is not valid"),
  },
  REQUIRED_FIELDS_MISSING: {
    code: GrpcCode.INVALID_ARGUMENT,
    http: 400,
    error: "bad_request",
    message: (facts) =>
      `Missing required fields: ${Array.isArray(facts["missing"]) ? facts["missing"].join(", ") : "unknown"}`,
    members: (facts) => ({ required: facts["required"] ?? [] }),
  },
  AMOUNT_INVALID: {
    code: GrpcCode.INVALID_ARGUMENT,
    http: 400,
    error: "bad_request",
    message: (facts) => `Invalid amount: ${textFact(facts, "why", "not a positive amount of this currency")}`,
  },
  CURRENCY_INVALID: {
    code: GrpcCode.INVALID_ARGUMENT,
    http: 400,
    error: "bad_request",
    message: "Invalid currency: an ISO 4217 code is needed",
  },
  UNAUTHENTICATED: {
    code: GrpcCode.UNAUTHENTICATED,
    http: 401,
    error: "unauthorized",
    message: "Valid credentials are required",
  },
  PERMISSION_DENIED: {
    code: GrpcCode.PERMISSION_DENIED,
    http: 403,
    error: "forbidden",
    message: "This caller may not do that",
  },
  NOT_FOUND: { code: GrpcCode.NOT_FOUND, http: 404, error: "not_found", message: "Not found" },
  METHOD_NOT_FOUND: {
    code: GrpcCode.UNIMPLEMENTED,
    http: 404,
    error: "not_found",
    message: "No such method",
  },
  CONFLICT: {
    code: GrpcCode.ABORTED,
    http: 409,
    error: "conflict",
    message: (facts) => textFact(facts, "why", "Another request changed this first"),
  },
  PAYLOAD_TOO_LARGE: {
    code: GrpcCode.INVALID_ARGUMENT,
    http: 413,
    error: "payload_too_large",
    message: "The request is larger than this service takes",
  },
  RATE_LIMITED: {
    code: GrpcCode.RESOURCE_EXHAUSTED,
    http: 429,
    error: "rate_limit_exceeded",
    message: "Too many requests; try again later",
    members: retryAfterOf,
  },
  UNAVAILABLE: {
    code: GrpcCode.UNAVAILABLE,
    http: 503,
    error: "unavailable",
    message: "The service is not available right now",
    members: retryAfterOf,
  },
  DEADLINE_EXCEEDED: {
    code: GrpcCode.DEADLINE_EXCEEDED,
    http: 504,
    error: "timeout",
    message: "The request took too long",
  },
  CANCELLED: { code: GrpcCode.CANCELLED, http: 499, error: "cancelled", message: "The caller went away" },
  INTERNAL: internal,
} satisfies Record<string, ErrorEntry>);

/** PostgreSQL's word for a text it cannot hold: a NUL, which only a request can have brought. */
const characterNotInRepertoire = "22021";

/** A full queue for the database empties within a second once the database keeps up again; one that restarts is back in seconds. */
const databaseRetryAfterSeconds = 1;

/**
 * The only translation of errors to callers. A database that is away, or does not keep up, is `UNAVAILABLE`, with the time to come back after. A reason
 * the table does not name, and anything else that is not a DomainError, is `INTERNAL` with a fixed text: the cause is for the log alone.
 */
export function translateError(table: ErrorTable, thrown: unknown): TranslatedError {
  const { reason, facts } = refusalOf(table, thrown);
  const entry = table[reason] ?? internal;
  return {
    reason,
    code: entry.code,
    http: entry.http,
    error: typeof entry.error === "string" ? entry.error : entry.error(facts),
    message: typeof entry.message === "string" ? entry.message : entry.message(facts),
    members: entry.members?.(facts) ?? {},
  };
}

function refusalOf(table: ErrorTable, thrown: unknown): { readonly reason: string; readonly facts: Facts } {
  const refusal = foreseen(thrown);
  return refusal !== undefined && Object.hasOwn(table, refusal.reason) ? refusal : { reason: "INTERNAL", facts: {} };
}

function foreseen(thrown: unknown): { readonly reason: string; readonly facts: Facts } | undefined {
  if (thrown instanceof DomainError) return thrown;
  if (thrown instanceof BatcherFullError || isDatabaseAway(thrown)) {
    return { reason: "UNAVAILABLE", facts: { retryAfterSeconds: databaseRetryAfterSeconds } };
  }
  return sqlStateOf(thrown) === characterNotInRepertoire ? { reason: "INVALID_ARGUMENT", facts: {} } : undefined;
}

/** The REST body of an error, the same whoever writes it: `{error, message, code, details}` and the reason's members. */
export function errorBody(translated: TranslatedError): Record<string, unknown> {
  return {
    error: translated.error,
    message: translated.message,
    code: translated.code,
    details: [],
    ...translated.members,
  };
}
