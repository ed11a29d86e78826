import type { Brand } from "../../../platform/pages/brand.ts";
import {
  actions,
  button,
  counterparty,
  form,
  hidden,
  panel,
  permissionList,
} from "../../../platform/pages/components.ts";
import { html, type SafeHtml } from "../../../platform/pages/html.ts";
import { type Page, page } from "../../../platform/pages/layout.ts";
import { type ConsentForm, problemView, refusalForm, signInView } from "../../kit/http/consent-views.ts";
import { type Person, people } from "../domain/people.ts";

/** The pages' speaker. */
export const sandboxBrand: Brand = Object.freeze({ id: "wise-sandbox", name: "Wise sandbox", color: "#1f5f2e" });

const footer = "A sandbox that plays Wise. The people and their money are made up.";

/** Signing in; the passwords of the sandbox are on it. */
export function signInPage(forms: ConsentForm, refused?: { readonly username: string }): Page {
  const problem = "That user name and password do not belong together.";
  const more = { people, ...(refused !== undefined && { problem, ...refused }) };
  return shown("Sign in", signInView(forms, { id: "wise", name: "Wise" }, more));
}

/** The consent: a button for each profile. */
export function consentPage(forms: ConsentForm, person: Person): Page {
  const choices = person.profiles.map((profile) =>
    form({
      action: `${forms.basePath}/allow`,
      csrf: forms.csrf,
      body: html`${hidden("profile", String(profile.profileId))}${actions([
        button({ label: `Allow for ${profile.name}`, kind: profile.type === "PERSONAL" ? "primary" : "secondary" }),
      ])}`,
    }),
  );
  return shown(
    "Give access",
    panel(
      html`<h1>Share your balances</h1>${counterparty(forms.clientName, "asks Wise for")}${permissionList([
        { title: "Your profile", detail: "Name and e-mail address" },
        { title: "Your balances" },
        { title: "Your statements", detail: "Past and new ones" },
      ])}<p>Until you take it back in your settings.</p>${choices}${refusalForm(forms)}`,
    ),
  );
}

/** A problem, for a person. */
export function problemPage(text: string): Page {
  return shown("Problem", problemView(text));
}

function shown(title: string, body: SafeHtml): Page {
  return page({ title, brand: sandboxBrand, body, footer });
}
