import { DomainError } from "../../../platform/errors/domain-error.ts";
import { actions, alert, button, form, linkButton, panel, permissionList } from "../../../platform/pages/components.ts";
import { html, type SafeHtml } from "../../../platform/pages/html.ts";
import type { Connection } from "../../domain/connection.ts";
import type { Dependencies } from "../../flows/dependencies.ts";
import { extendConsent } from "../../flows/extend-consent.ts";
import type { ConnectionPageParts, PageContext, Visit } from "./page-context.ts";
import { dayText, startProblem } from "./words.ts";

/** For how many days a consent can be extended from now; undefined where its provider extends none, or only its person's sign-in helps. */
export function extensionDaysOf(deps: Dependencies, connection: Connection): number | undefined {
  const connector = deps.connectors.get(connection.connector);
  const isAlive = connection.state === "ACTIVE" || connection.state === "ERROR";
  if (connector?.extendConsent === undefined || !isAlive || !connection.hasRefreshToken) return undefined;
  return connector.extensionDays;
}

/** What a page of one connection is given. */
export interface NamedConnection {
  readonly connection: Connection;
  readonly name: string;
  readonly providerName: string;
}

/**
 * Keeping a consent: the person is shown once more what it is for, and says that he still wants it, which is what providers ask us to have.
 * Where his bank wants him to sign in, or extends nothing, he is sent there.
 */
export function addExtendPages(
  context: PageContext,
  parts: ConnectionPageParts,
  find: (visit: Visit) => Promise<NamedConnection>,
): void {
  const ask = async (visit: Visit, problem?: string) => {
    const shown = await find(visit);
    const days = extensionDaysOf(parts.deps, shown.connection);
    // Meanwhile it has ended, or somebody guessed the address: its own page says what helps.
    if (days === undefined) return visit.reply.redirect(`/connections/${shown.connection.connectionId}`, 303);
    const body = extendView({ ...shown, csrf: visit.csrf, days, problem });
    const status = problem === undefined ? 200 : 502;
    return context.show(visit, { title: `Keep access to ${shown.name}`, body, status, leadsElsewhere: true });
  };
  context.get("/connections/:id/extend", (visit) => ask(visit));
  context.post("/connections/:id/extend", async (visit) => {
    try {
      return visit.reply.redirect(await keepAccess(parts, visit, (await find(visit)).connection), 303);
    } catch (error) {
      const problem = startProblem(error);
      if (problem === undefined) throw error;
      return await ask(visit, problem);
    }
  });
}

/** Where the person goes next. */
async function keepAccess(parts: ConnectionPageParts, visit: Visit, connection: Connection): Promise<string> {
  const { deps, refresher, publicUrl, browsers } = parts;
  const returnUrl = `${publicUrl}/connections/done`;
  const browserMark = browsers.mark(visit.request, visit.reply, visit.owner.userId);
  const given = { deps, refresher, addresses: { publicUrl, returnUrls: [returnUrl] } };
  const extended = await extendConsent(given, connection, { returnUrl, browserMark }, visit.caller);
  if ("connection" in extended) return `/connections/${extended.connection.connectionId}?done=extended`;
  if (extended.link.authUrl === undefined) throw new DomainError("PROVIDER_NOT_CONFIGURED");
  return extended.link.authUrl;
}

function extendView(
  view: NamedConnection & { readonly csrf: string; readonly days: number; readonly problem: string | undefined },
): SafeHtml {
  const { connection, name, providerName, days, problem } = view;
  const here = `/connections/${connection.connectionId}`;
  const ends = connection.consentExpiresAt;
  return panel(html`<h1>Keep access to ${name}?</h1>${problem !== undefined && alert({ kind: "error", text: problem })}
<p>${ends !== undefined && html`Your consent ends on ${dayText(ends)}. `}For another ${days} days we go on reading, through ${providerName}:</p>
${permissionList([
  { title: "Your accounts", detail: "their names, masked numbers and balances" },
  { title: "Their transactions", detail: "dates, descriptions and amounts" },
])}
<p class="hint">Nothing can be paid or changed with this. You can take it back at any time. Your bank may ask you to sign in once more.</p>
${form({
  action: `${here}/extend`,
  csrf: view.csrf,
  body: actions([
    button({ label: `Keep access for another ${days} days` }),
    linkButton({ label: "Not now", href: here, kind: "secondary" }),
  ]),
})}`);
}
