import type { ErrorTable } from "../../../platform/errors/error-table.ts";
import { refused } from "../../kit/http/refused.ts";

/** How the sandbox's own reasons are told: on its pages, and by the control API. TrueLayer's errors are not among them. */
export const sandboxErrors: ErrorTable = Object.freeze({
  LINK_UNKNOWN: refused(404, "link_unknown", "There is no such link. Go back to the app and start again."),
  LINK_USED: refused(410, "link_used", "This link has been used or has expired. Go back to the app and start again."),
  LINK_STEP_WRONG: refused(409, "link_step_wrong", "This step was taken already. Go back to the app if you are stuck."),
  BANK_UNKNOWN: refused(400, "bank_unknown", "That bank is not offered here."),
  SIGN_IN_REFUSED: refused(401, "sign_in_refused", "That user name and password do not belong together."),
  CONNECTION_UNKNOWN: refused(404, "connection_unknown", "There is no such connection, or not in that state."),
  ACCOUNT_UNKNOWN: refused(404, "account_unknown", "There is no such account."),
});
