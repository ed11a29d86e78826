/** What a Plaid error says beside its code; the body is made by {@link plaidErrorBody}. */
interface PlaidErrorFacts {
  readonly type: string;
  readonly code: string;
  readonly message: string;
  readonly status: number;
  /** Words for the person, or null where no person can help. */
  readonly display: string | null;
}

/** A refusal in Plaid's own shape. Thrown anywhere in the sandbox, told by the API routes. */
export class PlaidError extends Error {
  override readonly name = "PlaidError";
  readonly facts: PlaidErrorFacts;

  constructor(facts: PlaidErrorFacts) {
    super(facts.message);
    this.facts = facts;
  }
}

const errors = {
  INVALID_API_KEYS: ["INVALID_INPUT", 400, "invalid client_id or secret provided", null],
  INVALID_ACCESS_TOKEN: ["INVALID_INPUT", 400, "could not find matching access token", null],
  INVALID_PUBLIC_TOKEN: ["INVALID_INPUT", 400, "could not find matching public token", null],
  INVALID_LINK_TOKEN: ["INVALID_INPUT", 400, "invalid link_token provided", null],
  INVALID_INSTITUTION: ["INVALID_INPUT", 400, "invalid institution_id provided", null],
  INVALID_ACCOUNT_ID: ["INVALID_INPUT", 400, "one or more of the account_ids is not valid for this item", null],
  INVALID_WEBHOOK_VERIFICATION_KEY_ID: [
    "INVALID_INPUT",
    400,
    "invalid key_id provided. key_ids belong to one Plaid environment: ask the one that sent the webhook",
    null,
  ],
  MISSING_FIELDS: ["INVALID_REQUEST", 400, "required fields are missing", null],
  INVALID_FIELD: ["INVALID_REQUEST", 400, "a field is invalid", null],
  INVALID_BODY: ["INVALID_REQUEST", 400, "body could not be parsed as JSON", null],
  INVALID_HEADERS: ["INVALID_REQUEST", 400, "headers are invalid", null],
  NOT_FOUND: ["INVALID_REQUEST", 404, "not found", null],
  ITEM_LOGIN_REQUIRED: [
    "ITEM_ERROR",
    400,
    "the login details of this item have changed (credentials, MFA, or required user action) and a user login is required to update this information. use Link's update mode to restore the item to a good state",
    "Your bank needs you to sign in again.",
  ],
  ITEM_NOT_FOUND: [
    "ITEM_ERROR",
    400,
    "The Item you requested cannot be found. This Item does not exist, has been previously removed via /item/remove, or has had access removed by the user.",
    null,
  ],
  USER_PERMISSION_REVOKED: [
    "ITEM_ERROR",
    400,
    "the holder of this account has revoked their permission for your application to access it",
    "You took back the permission to see this account.",
  ],
  INVALID_CREDENTIALS: [
    "ITEM_ERROR",
    400,
    "the provided credentials were not correct",
    "The credentials you provided were incorrect. Check that they are the same that you use for this institution.",
  ],
  ITEM_NO_ERROR: ["ITEM_ERROR", 400, "the item is in a good state and needs no update", null],
  PRODUCTS_NOT_SUPPORTED: ["ITEM_ERROR", 400, "the following products are not supported by this item", null],
  TRANSACTIONS_SYNC_MUTATION_DURING_PAGINATION: [
    "TRANSACTIONS_ERROR",
    400,
    "Underlying transaction data changed since last page was fetched. Please restart pagination from last update.",
    null,
  ],
  SANDBOX_WEBHOOK_INVALID: ["SANDBOX_ERROR", 400, "Webhook for this item is either not set up or invalid", null],
  RATE_LIMIT: ["RATE_LIMIT_EXCEEDED", 429, "rate limit exceeded for this endpoint. please try again later", null],
  INTERNAL_SERVER_ERROR: [
    "API_ERROR",
    500,
    "an unexpected error occurred",
    "An internal server error occurred. Please try again later.",
  ],
} as const satisfies Readonly<Record<string, readonly [string, number, string, string | null]>>;

/** Codes the sandbox answers with by itself. */
export type PlaidErrorCode = keyof typeof errors;

/** The error of a code, with another message where the documentation names the field. */
export function plaidError(code: PlaidErrorCode, message?: string): PlaidError {
  const [type, status, text, display] = errors[code];
  return new PlaidError({ type, code, status, message: message ?? text, display });
}

/** Whether a code is one of {@link PlaidErrorCode}. */
export function isPlaidErrorCode(code: string): code is PlaidErrorCode {
  return Object.hasOwn(errors, code);
}

/** The body of an error answer. */
export function plaidErrorBody(error: PlaidError, requestId: string) {
  const section = error.facts.type.toLowerCase().replaceAll("_", "-");
  return {
    display_message: error.facts.display,
    documentation_url: `https://plaid.com/docs/?ref=error#${section}-errors`,
    error_code: error.facts.code,
    error_message: error.facts.message,
    error_type: error.facts.type,
    request_id: requestId,
    suggested_action: null,
  };
}

/** The same inside an item or a webhook, where the status stands beside it and no request is meant. */
export function embeddedError(error: PlaidError) {
  return { ...plaidErrorBody(error, ""), causes: [], status: error.facts.status };
}
