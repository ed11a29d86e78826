import { actions, alert, button, form, linkButton, panel } from "../../../platform/pages/components.ts";
import { html, type SafeHtml } from "../../../platform/pages/html.ts";

/** Asks once more before a connection ends. */
export function disconnectView(view: {
  csrf: string;
  connectionId: string;
  name: string;
  providerName: string;
}): SafeHtml {
  const here = `/connections/${view.connectionId}`;
  return panel(html`<h1>Disconnect ${view.name}?</h1>
<p>We take your consent back at ${view.providerName}, destroy what opens the account, and forget its accounts and transactions. The trail of what was done stays, without secrets.</p>
${form({
  action: `${here}/disconnect`,
  csrf: view.csrf,
  body: actions([
    button({ label: `Disconnect ${view.name}`, kind: "danger" }),
    linkButton({ label: "Keep it", href: here, kind: "secondary" }),
  ]),
})}`);
}

/** Tells how it ended. */
export function disconnectedView(view: { name: string; isConfirmed: boolean; providerName: string }): SafeHtml {
  const told = view.isConfirmed
    ? `${view.providerName} has confirmed that your consent is over.`
    : `${view.providerName} has not confirmed it yet. We ask again until it does; nothing is read any more meanwhile.`;
  return panel(html`<h1>${view.name} is disconnected</h1>${alert({ kind: view.isConfirmed ? "success" : "info", text: told })}
${linkButton({ label: "Back to connected accounts", href: "/connections" })}`);
}
