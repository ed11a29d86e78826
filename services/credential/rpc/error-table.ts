import { type ErrorTable, genericErrors } from "../../platform/errors/error-table.ts";
import { GrpcCode } from "../../platform/errors/grpc-code.ts";

/** The reasons of this service and how callers are told of them. */
export const credentialErrors: ErrorTable = Object.freeze({
  ...genericErrors,
  CONNECTION_NOT_FOUND: {
    code: GrpcCode.NOT_FOUND,
    http: 404,
    error: "connection_not_found",
    message: "Credentials not found for connection",
  },
  WEBHOOK_REFUSED: {
    code: GrpcCode.UNAUTHENTICATED,
    http: 401,
    error: "invalid_signature",
    message: "This webhook is not signed by its provider, or not now",
  },
  WEBHOOK_EVENT_NOT_FOUND: {
    code: GrpcCode.NOT_FOUND,
    http: 404,
    error: "webhook_event_not_found",
    message: "There is no such webhook event",
  },
  WEBHOOK_EVENT_UNDER_WAY: {
    code: GrpcCode.FAILED_PRECONDITION,
    http: 409,
    error: "webhook_event_under_way",
    message: "This webhook event is in the queue already",
  },
  BANK_NOT_FOUND: {
    code: GrpcCode.NOT_FOUND,
    http: 404,
    error: "bank_not_found",
    message: "There is no such bank to connect to",
  },
  PROVIDER_NOT_CONFIGURED: {
    code: GrpcCode.FAILED_PRECONDITION,
    http: 409,
    error: "provider_not_configured",
    message: "This bank is not set up here",
  },
  PROVIDER_UNAVAILABLE: {
    code: GrpcCode.UNAVAILABLE,
    http: 502,
    error: "provider_unavailable",
    message: "The bank cannot be reached right now",
  },
  PROVIDER_TOKEN_NOT_FOUND: {
    code: GrpcCode.NOT_FOUND,
    http: 404,
    error: "provider_token_not_found",
    message: "There is no such provider token",
  },
  INVALID_STATE: {
    code: GrpcCode.FAILED_PRECONDITION,
    http: 400,
    error: "invalid_state",
    message: "This consent is unknown, has been used or has expired",
  },
  OTHER_BROWSER: {
    code: GrpcCode.PERMISSION_DENIED,
    http: 403,
    error: "invalid_session",
    message: "This consent was begun in another browser",
  },
  CONSENT_REFUSED: {
    code: GrpcCode.PERMISSION_DENIED,
    http: 403,
    error: (facts) => (typeof facts["error"] === "string" ? facts["error"] : "access_denied"),
    message: "The bank did not give its consent",
  },
  REAUTHORIZATION_REQUIRED: {
    code: GrpcCode.FAILED_PRECONDITION,
    http: 409,
    error: "reauthorization_required",
    message: "The user has to connect this bank again",
    members: () => ({ action: "reconnect" }),
  },
  CONNECTOR_NOT_FOUND: {
    code: GrpcCode.NOT_FOUND,
    http: 404,
    error: "connector_not_found",
    message: "There is no such provider here",
  },
  PROVIDER_RATE_LIMITED: {
    code: GrpcCode.RESOURCE_EXHAUSTED,
    http: 429,
    error: "provider_rate_limited",
    message: "The provider asks us to come back later",
    members: (facts) =>
      typeof facts["retryAfterSeconds"] === "number" ? { retryAfterSeconds: facts["retryAfterSeconds"] } : {},
  },
  ACCESS_TOKEN_IN_QUERY: {
    code: GrpcCode.INVALID_ARGUMENT,
    http: 400,
    error: "access_token_in_query",
    message: "Name the connection; a token has no place in an address",
  },
  CLIENT_NOT_FOUND: {
    code: GrpcCode.NOT_FOUND,
    http: 404,
    error: "client_not_found",
    message: "There is no such client",
  },
  CLIENT_NOT_LINKED: {
    code: GrpcCode.FAILED_PRECONDITION,
    http: 409,
    error: "client_not_linked",
    message: "This client has not connected an account",
  },
  ACCOUNT_NOT_FOUND: {
    code: GrpcCode.NOT_FOUND,
    http: 404,
    error: "account_not_found",
    message: "There is no such account",
  },
  SUBSCRIPTION_NOT_FOUND: {
    code: GrpcCode.NOT_FOUND,
    http: 404,
    error: "subscription_not_found",
    message: "There is no such subscription",
  },
  LOGIN_NOT_FOUND: {
    code: GrpcCode.NOT_FOUND,
    http: 404,
    error: "login_not_found",
    message: "There is no such login",
  },
  CARD_NOT_AUTHORIZED: {
    code: GrpcCode.PERMISSION_DENIED,
    http: 403,
    error: "card_not_authorized",
    message: "The bank does not let this wallet use this card",
  },
  MISSING_ACCESS_TOKEN: {
    code: GrpcCode.FAILED_PRECONDITION,
    http: 409,
    error: "missing_access_token",
    message: "The user has to connect this bank again",
  },
  BSIM_TOKEN_EXPIRED: {
    code: GrpcCode.FAILED_PRECONDITION,
    http: 409,
    error: "bsim_token_expired",
    message: "The consent has ended; the user has to connect this bank again",
  },
  BSIM_UNAUTHORIZED: {
    code: GrpcCode.UNAVAILABLE,
    http: 502,
    error: "bsim_unauthorized",
    message: "The bank refused access to the accounts",
  },
  BSIM_INVALID_CREDENTIALS: {
    code: GrpcCode.UNAVAILABLE,
    http: 502,
    error: "bsim_invalid_credentials",
    message: "The bank does not know this wallet",
  },
  BSIM_UNAVAILABLE: {
    code: GrpcCode.UNAVAILABLE,
    http: 502,
    error: "bsim_unavailable",
    message: "The bank cannot be reached right now",
  },
});
