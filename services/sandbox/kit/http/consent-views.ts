import {
  actions,
  alert,
  button,
  checkbox,
  counterparty,
  field,
  form,
  hidden,
  panel,
  permissionList,
} from "../../../platform/pages/components.ts";
import { html, type SafeHtml } from "../../../platform/pages/html.ts";

/** What all forms of a person's way through a consent have in common. They post below `basePath`. */
export interface ConsentForm {
  readonly basePath: string;
  readonly csrf: string;
  /** Fields every form carries along. */
  readonly carried: Readonly<Record<string, string>>;
  /** Who asks. */
  readonly clientName: string;
  /** The button that ends the way without consent, and where it posts to below `basePath`; Cancel, to `/cancel`, unless told. */
  readonly refusal?: { readonly label: string; readonly path: string };
}

/** Forms that carry nothing along, of a way that ends by Deny, at `/deny`. */
export function denyableForm(form: Omit<ConsentForm, "carried" | "refusal">): ConsentForm {
  return { ...form, carried: {}, refusal: { label: "Deny", path: "/deny" } };
}

/** A bank to choose. */
export interface OfferedBank {
  readonly id: string;
  readonly name: string;
}

/** The list of banks; posts `institution_id` to `/institution`. `above` goes between title and list, such as a search. */
export function bankChoiceView(common: ConsentForm, banks: readonly OfferedBank[], above?: SafeHtml): SafeHtml {
  const choices = banks.map((each) =>
    form({
      action: `${common.basePath}/institution`,
      csrf: common.csrf,
      body: html`${carried(common)}${hidden("institution_id", each.id)}${actions([button({ label: each.name, kind: "secondary" })])}`,
    }),
  );
  return panel(
    html`<h1>Choose your bank</h1>${counterparty(common.clientName, "wants to see your accounts")}${above ?? false}${choices.length === 0 && html`<p class="hint">No bank of that name.</p>`}${choices}${refusalForm(common)}`,
  );
}

/** What a sign-in may show beside its fields. */
export interface SignInMore {
  readonly problem?: string;
  /** As typed before, when it was refused. */
  readonly username?: string;
  /** Whose passwords are told; the page's footer tells them otherwise. */
  readonly people?: readonly { readonly username: string; readonly password: string }[];
}

/** The bank's sign-in; posts `username` and `password` to `/sign-in`. */
export function signInView(common: ConsentForm, bank: OfferedBank, more: SignInMore = {}): SafeHtml {
  const { problem, username, people } = more;
  const known = people?.map((each) => html`<li><code>${each.username}</code> / <code>${each.password}</code></li>`);
  return panel(
    html`<h1>Sign in at ${bank.name}</h1>${problem !== undefined && alert({ kind: "error", text: problem })}${form({
      action: `${common.basePath}/sign-in`,
      csrf: common.csrf,
      body: html`${carried(common)}${hidden("institution_id", bank.id)}${field({ name: "username", label: "User name", value: username, autocomplete: "username", maxLength: 100 })}${field({ name: "password", label: "Password", type: "password", autocomplete: "current-password", maxLength: 100 })}${actions([button({ label: "Sign in" })])}`,
    })}${refusalForm(common)}${known !== undefined && html`<h2>Who you can be</h2><ul>${known}</ul>`}`,
  );
}

/** What a person is asked to allow. */
export interface ConsentQuestion {
  /** What to do, above all; said by what is offered unless told. */
  readonly title?: string;
  readonly bankName: string;
  /** None are offered when access is renewed, those shared before stay; and where a provider knows all or nothing. */
  readonly accounts: readonly { readonly key: string; readonly name: string; readonly mask: string }[];
  readonly permissions: readonly { readonly title: string; readonly detail?: string }[];
}

/** What will be seen, and the accounts to choose; posts `account_<key>=yes` to `/consent`. */
export function consentView(common: ConsentForm, question: ConsentQuestion): SafeHtml {
  const isRenewal = question.accounts.length === 0;
  const accounts = html`<fieldset><legend>Accounts to share</legend>${question.accounts.map((account) =>
    checkbox({ name: `account_${account.key}`, label: account.name, hint: `ending in ${account.mask}`, checked: true }),
  )}</fieldset>`;
  return panel(
    html`<h1>${question.title ?? (isRenewal ? "Renew access" : "Share your accounts")}</h1>${counterparty(common.clientName, `asks ${question.bankName} for`)}${permissionList(
      question.permissions,
    )}${form({
      action: `${common.basePath}/consent`,
      csrf: common.csrf,
      body: html`${carried(common)}${!isRenewal && accounts}${actions([button({ label: "Allow" })])}`,
    })}${refusalForm(common)}`,
  );
}

/** The end of a way without an address to go to. */
export function doneView(text: string): SafeHtml {
  return panel(html`<h1>All set</h1>${alert({ kind: "success", text })}`);
}

/** A problem that ends the way. */
export function problemView(text: string): SafeHtml {
  return panel(html`<h1>This did not work</h1>${alert({ kind: "error", text })}`);
}

function carried(common: ConsentForm): SafeHtml {
  return html`${Object.entries(common.carried).map(([name, value]) => hidden(name, value))}`;
}

/** The button that ends the way without consent. */
export function refusalForm(common: ConsentForm): SafeHtml {
  const { label, path } = common.refusal ?? { label: "Cancel", path: "/cancel" };
  return form({
    action: `${common.basePath}${path}`,
    csrf: common.csrf,
    body: html`${carried(common)}${actions([button({ label, kind: "quiet", skipsValidation: true })])}`,
  });
}
