/** The documented errors: status and the text TrueLayer gives with the word. */
const documented = {
  validation_error: [400, "The supplied parameters are not valid."],
  invalid_date_range: [400, "Invalid date range provided."],
  deprecated_provider: [400, "The provider has been deprecated."],
  invalid_grant: [400, "The provided authorisation grant or refresh token is invalid, expired or revoked."],
  invalid_client: [400, "The client_id or client_secret are invalid."],
  invalid_authorization_code: [400, "The authorisation code is invalid, expired or was used before."],
  unsupported_grant_type: [400, "The grant type is not supported."],
  unauthorized: [401, "The credentials or token are no longer valid."],
  invalid_token: [401, "The token is no longer valid."],
  access_denied: [403, "The end user has revoked access to the data, or the access token lacks the scope."],
  sca_exceeded: [403, "The time in which this data could be read without the end user has passed."],
  account_not_found: [404, "The requested account cannot be found."],
  not_found: [404, "The requested resource cannot be found."],
  provider_too_many_requests: [429, "The provider has received too many requests."],
  provider_request_limit_exceeded: [429, "The provider's limit of requests without the end user is used up."],
  internal_server_error: [500, "Internal server error."],
  endpoint_not_supported: [501, "The feature is not supported by the provider."],
  provider_error: [503, "The provider is unavailable."],
  temporarily_unavailable: [503, "The provider is temporarily unavailable."],
  connector_overload: [503, "The service is overloaded."],
  provider_timeout: [504, "The provider took too long to answer."],
  connector_timeout: [504, "The request took too long."],
} as const satisfies Record<string, readonly [status: number, description: string]>;

/** One of TrueLayer's words for a refusal. */
export type TrueLayerErrorWord = keyof typeof documented;

/** Whether TrueLayer documents this word. */
export function isTrueLayerErrorWord(text: string): text is TrueLayerErrorWord {
  return Object.hasOwn(documented, text);
}

/** A refusal as TrueLayer words it; answered as `{error, error_description}`. */
export class TrueLayerError extends Error {
  override readonly name = "TrueLayerError";
  readonly error: TrueLayerErrorWord;
  readonly status: number;
  readonly description: string;

  constructor(error: TrueLayerErrorWord, description?: string) {
    super(error);
    this.error = error;
    this.status = documented[error][0];
    this.description = description ?? documented[error][1];
  }
}

/** The body of a refusal: these two members, no others. */
export function trueLayerErrorBody(error: TrueLayerError): { error: TrueLayerErrorWord; error_description: string } {
  return { error: error.error, error_description: error.description };
}
