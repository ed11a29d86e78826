/** The errors this sandbox answers with: status and message by code. */
const documented = {
  "10001": [401, "Invalid credentials"],
  "10005": [400, "Missing parameter"],
  "10010": [400, "One or more fields are not valid"],
  "10021": [401, "You are not authorized."],
  "10022": [401, "Invalid (Finicity-App-Token)"],
  "10023": [401, "Expired (Finicity-App-Token)"],
  "10024": [401, "Missing parameter (Finicity-App-Token)"],
  "10026": [401, "Missing parameter (Finicity-App-Key)"],
  "10027": [401, "Invalid (Finicity-App-Key)"],
  "110002": [409, "Username is not available."],
  "110039": [400, "Username is not as per the policy."],
  "14001": [404, "Resource not found."],
  "14020": [400, "Bad request."],
  "1618": [400, "Negative or invalid value entered. Please use positive numbers only."],
  "24302": [401, "Bad credentials"],
  "24437": [400, "New password is not as per policy"],
  "3003": [404, "Resource Not Found."],
  "3004": [404, "Resource Not Found."],
  "38007": [404, "Customer does not have any accounts associated with institutionLoginId."],
  "429": [429, "Too many requests"],
  "500": [500, "Internal server error"],
} as const satisfies Record<string, readonly [status: number, message: string]>;

const forPeople: Readonly<Record<string, string>> = Object.freeze({
  "10010": "One or more of the fields could not be validated. Please ensure you have entered the correct data.",
  "3003": "Institution Login Id is not found",
  "3004": "Institution Login Id details are not found",
});

/** A code this sandbox knows. */
export type FinicityCode = keyof typeof documented;

/** A refusal in the provider's own shape. Thrown anywhere in the sandbox, told by the API routes. */
export class FinicityError extends Error {
  override readonly name = "FinicityError";
  readonly code: string;
  readonly status: number;

  constructor(code: string, status: number, message: string) {
    super(message);
    this.code = code;
    this.status = status;
  }
}

/** The error of a code, with another message where the documentation names the field. */
export function finicityError(code: FinicityCode, message?: string): FinicityError {
  const [status, text] = documented[code];
  return new FinicityError(code, status, message ?? text);
}

/** The error of a missing field or parameter. */
export function missing(name: string): FinicityError {
  return finicityError("10005", `Missing parameter (${name})`);
}

/** Whether a code is one of {@link FinicityCode}. */
export function isFinicityCode(code: string): code is FinicityCode {
  return Object.hasOwn(documented, code);
}

/** The body of an error answer. */
export function errorBody(error: FinicityError): object {
  const userMessage = forPeople[error.code];
  return {
    code: error.code,
    ...(userMessage !== undefined && { status: String(error.status), user_message: userMessage }),
    message: error.message,
  };
}

/** Reasons of the notification service, which has a shape of its own. */
const notificationReasons: Readonly<Record<number, number>> = Object.freeze({ 400: 1502, 401: 1503, 404: 1501 });
const missingKeyReason = 1504;

/** The same error as the notification service words it. */
export function notificationErrorBody(error: FinicityError): object {
  const isMissing = error.code === "10024" || error.code === "10026";
  const reasonCode = isMissing ? missingKeyReason : (notificationReasons[error.status] ?? 1500);
  const description = error.message.replace("Finicity-App", "App");
  const entry = { source: "Event Subscription Service", reasonCode, description, recoverable: error.status >= 429 };
  return { Errors: { Error: [{ ...entry, details: null }] } };
}
