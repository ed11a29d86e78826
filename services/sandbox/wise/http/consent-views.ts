import type { Brand } from "../../../platform/pages/brand.ts";
import {
  actions,
  alert,
  button,
  counterparty,
  field,
  form,
  hidden,
  panel,
  permissionList,
} from "../../../platform/pages/components.ts";
import { html, type SafeHtml } from "../../../platform/pages/html.ts";
import { type Page, page } from "../../../platform/pages/layout.ts";
import { type Person, people } from "../domain/people.ts";

/** The pages' speaker. */
export const sandboxBrand: Brand = Object.freeze({ id: "wise-sandbox", name: "Wise sandbox", color: "#1f5f2e" });

const footer = "A sandbox that plays Wise. The people and their money are made up.";

/** How a page's forms are sent: their path, their token, and who asks. */
export interface FormPlace {
  readonly path: string;
  readonly csrf: string;
  readonly app: string;
}

/** Signing in; the passwords of the sandbox are on it. */
export function signInPage(place: FormPlace, problem?: { readonly username: string }): Page {
  const known = people.map((each) => html`<li><code>${each.username}</code> / <code>${each.password}</code></li>`);
  return shown(
    "Sign in",
    html`<h1>Sign in to Wise</h1>${counterparty(place.app, "asks to see your balances")}${
      problem !== undefined && alert({ kind: "error", text: "That user name and password do not belong together." })
    }${form({
      action: `${place.path}/sign-in`,
      csrf: place.csrf,
      body: html`${field({ name: "username", label: "User name", value: problem?.username, autocomplete: "username", maxLength: 100 })}
${field({ name: "password", label: "Password", type: "password", autocomplete: "current-password", maxLength: 100 })}
${actions([button({ label: "Sign in" })])}`,
    })}${denyForm(place)}<h2>Who you can be</h2><ul>${known}</ul>`,
  );
}

/** The consent: a button for each profile. */
export function consentPage(place: FormPlace, person: Person): Page {
  const choices = person.profiles.map((profile) =>
    form({
      action: `${place.path}/allow`,
      csrf: place.csrf,
      body: html`${hidden("profile", String(profile.profileId))}${actions([
        button({ label: `Allow for ${profile.name}`, kind: profile.type === "PERSONAL" ? "primary" : "secondary" }),
      ])}`,
    }),
  );
  return shown(
    "Give access",
    html`<h1>Give ${place.app} access?</h1>${permissionList([
      { title: "Your profile", detail: "Name and e-mail address" },
      { title: "Your balances" },
      { title: "Your statements", detail: "Past and new ones" },
    ])}<p>Until you take it back in your settings.</p>${choices}${denyForm(place)}`,
  );
}

/** A problem, for a person. */
export function problemPage(text: string): Page {
  return shown("Problem", html`<h1>That did not work</h1>${alert({ kind: "error", text })}`);
}

function denyForm(place: FormPlace): SafeHtml {
  return form({
    action: `${place.path}/deny`,
    csrf: place.csrf,
    body: button({ label: "Deny", kind: "quiet", skipsValidation: true }),
  });
}

function shown(title: string, body: SafeHtml): Page {
  return page({ title, brand: sandboxBrand, body: panel(body), footer });
}
