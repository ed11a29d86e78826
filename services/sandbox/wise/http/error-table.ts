import type { ErrorTable } from "../../../platform/errors/error-table.ts";
import { refused } from "../../kit/http/refused.ts";

/** How the sandbox's own reasons are told: on its pages, and by the control API. Wise's errors are not among them. */
export const sandboxErrors: ErrorTable = Object.freeze({
  LINK_REFUSED: refused(
    400,
    "link_refused",
    "The link names an application or a return address that nobody registered.",
  ),
  PAGE_UNKNOWN: refused(404, "page_unknown", "There is no such page. Go back to the app and start again."),
  PAGE_USED: refused(410, "page_used", "This page has been used or has expired. Go back to the app and start again."),
  PAGE_STEP_WRONG: refused(409, "page_step_wrong", "This step was taken already. Go back to the app if you are stuck."),
  PROFILE_UNKNOWN: refused(400, "profile_unknown", "Choose one of your profiles."),
  SIGN_IN_REFUSED: refused(401, "sign_in_refused", "That user name and password do not belong together."),
  GRANT_UNKNOWN: refused(404, "grant_unknown", "There is no such grant, or not in that state."),
  BALANCE_UNKNOWN: refused(404, "balance_unknown", "There is no such balance."),
  PROFILE_NOT_FOUND: refused(404, "profile_not_found", "There is no such profile."),
});
