import type { ErrorTable } from "../../../platform/errors/error-table.ts";
import { GrpcCode } from "../../../platform/errors/grpc-code.ts";

const failed = (http: number, error: string, message: string) => ({
  code: http === 404 ? GrpcCode.NOT_FOUND : GrpcCode.FAILED_PRECONDITION,
  http,
  error,
  message,
});

/** How the sandbox's own reasons are told: on its pages, and by the control API. TrueLayer's errors are not among them. */
export const sandboxErrors: ErrorTable = Object.freeze({
  LINK_UNKNOWN: failed(404, "link_unknown", "There is no such link. Go back to the app and start again."),
  LINK_USED: failed(410, "link_used", "This link has been used or has expired. Go back to the app and start again."),
  LINK_STEP_WRONG: failed(409, "link_step_wrong", "This step was taken already. Go back to the app if you are stuck."),
  BANK_UNKNOWN: failed(400, "bank_unknown", "That bank is not offered here."),
  SIGN_IN_REFUSED: failed(401, "sign_in_refused", "That user name and password do not belong together."),
  CONNECTION_UNKNOWN: failed(404, "connection_unknown", "There is no such connection, or not in that state."),
  ACCOUNT_UNKNOWN: failed(404, "account_unknown", "There is no such account."),
});
