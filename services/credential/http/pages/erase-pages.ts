import { formText } from "../../../platform/http/body-parsers.ts";
import { eraseUser } from "../../flows/erase-user.ts";
import { erasedView, eraseView } from "./erase-views.ts";
import type { ConnectionPageParts, PageContext } from "./page-context.ts";

/** A person's right to be forgotten: one question, then the report. */
export function addErasePages(context: PageContext, { deps }: ConnectionPageParts): void {
  context.get("/connections/erase", async (visit) =>
    context.show(visit, { title: "Erase everything?", body: eraseView({ csrf: visit.csrf }) }),
  );
  context.post("/connections/erase", async (visit) => {
    if (formText(visit.request.body, "understood") !== "yes") {
      const problem = "Tick the box to say that you want this.";
      const body = eraseView({ csrf: visit.csrf, problem });
      return context.show(visit, { title: "Erase everything?", body, status: 400 });
    }
    const erasure = await eraseUser(deps, visit.owner, visit.caller);
    const title = erasure.completedAt === undefined ? "Being erased" : "Erased";
    return context.show(visit, { title, body: erasedView(erasure) });
  });
}
