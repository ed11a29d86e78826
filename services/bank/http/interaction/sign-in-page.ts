import type { Brand } from "../../../platform/pages/brand.ts";
import { actions, alert, button, field, form, panel } from "../../../platform/pages/components.ts";
import { html } from "../../../platform/pages/html.ts";
import { type Page, page } from "../../../platform/pages/layout.ts";

/** What the sign-in page shows. */
export interface SignInView {
  readonly brand: Brand;
  readonly uid: string;
  readonly csrf: string;
  /** Who sent the customer here. */
  readonly clientName: string;
  readonly email: string | undefined;
  readonly problem: string | undefined;
  /** Somebody else was signed in before. */
  readonly switching: boolean;
}

/** The bank's sign-in. */
export function signInPage(view: SignInView): Page {
  const path = `/interaction/${view.uid}`;
  const body = panel(html`<h1>Sign in to ${view.brand.name}</h1>
<p class="lead">to continue to <strong>${view.clientName}</strong></p>
${view.problem !== undefined && alert({ kind: "error", text: view.problem })}
${view.switching && view.problem === undefined && alert({ kind: "info", text: "Sign in as the customer this request is for." })}
${form({
  action: `${path}/login`,
  csrf: view.csrf,
  body: html`${field({ name: "email", label: "Email", type: "email", value: view.email, autocomplete: "username", maxLength: 200, autofocus: view.email === undefined })}
${field({ name: "password", label: "Password", type: "password", autocomplete: "current-password", maxLength: 200, autofocus: view.email !== undefined })}
${actions([
  button({ label: "Sign in" }),
  button({ label: "Cancel", kind: "quiet", action: `${path}/abort`, skipsValidation: true }),
])}`,
})}`);
  return page({
    title: "Sign in",
    brand: view.brand,
    body,
    footer: `Only ever enter your password on a page of ${view.brand.name}. ${view.clientName} does not see it.`,
  });
}
