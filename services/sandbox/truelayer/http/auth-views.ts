import { createHash } from "node:crypto";
import { type Brand, colorForId } from "../../../platform/pages/brand.ts";
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
import { Page, page } from "../../../platform/pages/layout.ts";
import { withStyle } from "../../../platform/pages/with-style.ts";
import type { ReturnAnswer } from "../auth-flow.ts";
import type { Bank, Person } from "../domain/banks.ts";

/** The sandbox's own face; a bank's pages carry the bank's. */
export const sandboxBrand: Brand = { id: "truelayer-sandbox", name: "TrueLayer sandbox", color: "#1d4f91" };

const footer = "A sandbox that plays TrueLayer. The banks and people are made up.";
const style = [
  ".banks{list-style:none;margin:0 0 1rem;padding:0}.banks li{margin:0 0 .75rem}.banks form{margin:0}",
  ".banks .button{justify-content:flex-start}",
].join("");

/** How a page's form is sent: its path and its token. */
export interface FormPlace {
  readonly linkPath: string;
  readonly csrf: string;
}

/** The choice of a bank. */
export function bankChoicePage(app: string, banks: readonly Bank[], place: FormPlace): Page {
  const choices = banks.map(
    (bank) =>
      html`<li>${form({
        action: `${place.linkPath}/bank/${bank.providerId}`,
        csrf: place.csrf,
        body: button({ label: bank.name, kind: "secondary" }),
      })}</li>`,
  );
  return shown(
    "Choose your bank",
    html`<h1>Choose your bank</h1>${counterparty(app, "asks to see your accounts")}<ul class="banks">${choices}</ul>${denyForm(place)}`,
  );
}

/** Signing in at the bank; the passwords of the sandbox are on it. */
export function signInPage(
  bank: Bank,
  people: readonly Person[],
  place: FormPlace,
  problem?: { readonly username: string },
): Page {
  const known = people.map(
    (person) => html`<li><code>${person.username}</code> / <code>${person.password}</code></li>`,
  );
  return shown(
    `Sign in to ${bank.name}`,
    html`<h1>Sign in to ${bank.name}</h1>${
      problem !== undefined &&
      alert({ kind: "error", text: "That user name and password do not belong together, or not to this connection." })
    }${form({
      action: `${place.linkPath}/sign-in`,
      csrf: place.csrf,
      body: html`${field({ name: "username", label: "User name", value: problem?.username, autocomplete: "username", maxLength: 100 })}
${field({ name: "password", label: "Password", type: "password", autocomplete: "current-password", maxLength: 100 })}
${actions([button({ label: "Sign in" })])}`,
    })}${denyForm(place)}<h2>Who you can be</h2><ul>${known}</ul>`,
    brandOf(bank),
  );
}

const permissionTexts: ReadonlyMap<string, string> = new Map([
  ["info", "Your name and how to reach you"],
  ["accounts", "Your accounts, with names and numbers"],
  ["balance", "Your balances"],
  ["transactions", "Your transactions"],
  ["cards", "Your cards"],
  ["direct_debits", "Your direct debits"],
  ["standing_orders", "Your standing orders"],
  ["offline_access", "All this while you are away, until the consent ends"],
]);

/** The consent. */
export function consentPage(
  consent: { app: string; bank: Bank; scopes: readonly string[]; until: Date; isRenewal: boolean },
  place: FormPlace,
): Page {
  const { app, bank } = consent;
  const until = new Intl.DateTimeFormat("en-GB", { dateStyle: "long", timeZone: "UTC" }).format(consent.until);
  const title = consent.isRenewal ? `Keep sharing with ${app}` : `Share your accounts with ${app}`;
  return shown(
    title,
    html`<h1>${title}</h1><p class="lead">${bank.name} will let ${app} see, until ${until}:</p>${permissionList(
      consent.scopes.map((scope) => ({ title: permissionTexts.get(scope) ?? scope })),
    )}${form({
      action: `${place.linkPath}/consent`,
      csrf: place.csrf,
      body: actions([button({ label: "Allow" })]),
    })}${denyForm(place)}`,
    brandOf(bank),
  );
}

/** A problem, for a person. */
export function problemPage(text: string): Page {
  return shown("Problem", html`<h1>That did not work</h1>${alert({ kind: "error", text })}`);
}

function denyForm(place: FormPlace): SafeHtml {
  return form({
    action: `${place.linkPath}/deny`,
    csrf: place.csrf,
    body: button({ label: "Deny", kind: "quiet", skipsValidation: true }),
  });
}

function shown(title: string, body: SafeHtml, brand: Brand = sandboxBrand): Page {
  return withStyle(page({ title, brand, body: panel(body), footer }), style);
}

function brandOf(bank: Bank): Brand {
  return { id: sandboxBrand.id, name: bank.name, color: colorForId(bank.providerId) };
}

const submitScript = "document.forms[0].submit()";

/** A form that a browser posts to the app by itself, and the source expression of its script. */
export function formPostPage(answer: ReturnAnswer): { page: Page; scriptSource: string } {
  const fields = Object.entries(answer.fields).map(([name, value]) => hidden(name, value));
  const body = html`<form method="post" action="${answer.to}">${fields}${button({ label: "Continue" })}</form>`;
  const document = shown("Back to the app", html`<h1>Back to the app</h1>${body}`);
  const text = document.text.replace("</body>", () => `<script>${submitScript}</script>\n</body>`);
  const scriptSource = `'sha256-${createHash("sha256").update(submitScript).digest("base64")}'`;
  return { page: new Page(text, document.styleSource), scriptSource };
}
