import { createHash } from "node:crypto";
import { type Brand, colorForId } from "../../../platform/pages/brand.ts";
import { button, hidden, panel } from "../../../platform/pages/components.ts";
import { html, type SafeHtml } from "../../../platform/pages/html.ts";
import { Page, page } from "../../../platform/pages/layout.ts";
import {
  bankChoiceView,
  type ConsentForm,
  consentView,
  problemView,
  signInView,
} from "../../kit/http/consent-views.ts";
import type { ReturnAnswer } from "../auth-flow.ts";
import { type Bank, people } from "../domain/banks.ts";

/** The sandbox's own face; a bank's pages carry the bank's. */
export const sandboxBrand: Brand = { id: "truelayer-sandbox", name: "TrueLayer sandbox", color: "#1d4f91" };

const footer = "A sandbox that plays TrueLayer. The banks and people are made up.";

/** The choice of a bank. */
export function bankChoicePage(forms: ConsentForm, banks: readonly Bank[]): Page {
  return shown("Choose your bank", bankChoiceView(forms, banks.map(offered)));
}

/** Signing in at the bank; the passwords of the sandbox are on it. */
export function signInPage(forms: ConsentForm, bank: Bank, refused?: { readonly username: string }): Page {
  const problem = "That user name and password do not belong together, or not to this connection.";
  const more = { people, ...(refused !== undefined && { problem, ...refused }) };
  return shown(`Sign in at ${bank.name}`, signInView(forms, offered(bank), more), brandOf(bank));
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
  forms: ConsentForm,
  consent: { bank: Bank; scopes: readonly string[]; until: Date; isRenewal: boolean },
): Page {
  const { bank } = consent;
  const until = new Intl.DateTimeFormat("en-GB", { dateStyle: "long", timeZone: "UTC" }).format(consent.until);
  const title = consent.isRenewal ? `Keep sharing with ${forms.clientName}` : "Share your accounts";
  const scopes = consent.scopes.map((scope) => ({ title: permissionTexts.get(scope) ?? scope }));
  const permissions = [...scopes, { title: `Until ${until}` }];
  return shown(title, consentView(forms, { title, bankName: bank.name, accounts: [], permissions }), brandOf(bank));
}

/** A problem, for a person. */
export function problemPage(text: string): Page {
  return shown("Problem", problemView(text));
}

function offered(bank: Bank) {
  return { id: bank.providerId, name: bank.name };
}

function shown(title: string, body: SafeHtml, brand: Brand = sandboxBrand): Page {
  return page({ title, brand, body, footer });
}

function brandOf(bank: Bank): Brand {
  return { id: sandboxBrand.id, name: bank.name, color: colorForId(bank.providerId) };
}

const submitScript = "document.forms[0].submit()";

/** A form that a browser posts to the app by itself, and the source expression of its script. */
export function formPostPage(answer: ReturnAnswer): { page: Page; scriptSource: string } {
  const fields = Object.entries(answer.fields).map(([name, value]) => hidden(name, value));
  const body = html`<form method="post" action="${answer.to}">${fields}${button({ label: "Continue" })}</form>`;
  const document = shown("Back to the app", panel(html`<h1>Back to the app</h1>${body}`));
  const text = document.text.replace("</body>", () => `<script>${submitScript}</script>\n</body>`);
  const scriptSource = `'sha256-${createHash("sha256").update(submitScript).digest("base64")}'`;
  return { page: new Page(text, document.styleSource), scriptSource };
}
