import type { Brand } from "../../../platform/pages/brand.ts";
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
import { type Page, page } from "../../../platform/pages/layout.ts";
import type { Institution } from "../domain/institutions.ts";
import { type Person, people, samplePassword } from "../domain/people.ts";

/** The pages' speaker. */
export const linkBrand: Brand = Object.freeze({ id: "plaid-link", name: "Link Sandbox", color: "#1d4f91" });

/** What every form of a session carries. */
export interface LinkForm {
  readonly csrf: string;
  readonly token: string;
  readonly state: string;
  readonly clientName: string;
}

const footer = `A sandbox: the banks and their customers are made up. Sign in as ${people.map((each) => each.username).join(", ")} with ${samplePassword}.`;

/** A page of Link. */
export function linkPage(title: string, body: SafeHtml): Page {
  return page({ title, brand: linkBrand, body, footer });
}

/** The list of banks. */
export function chooseView(common: LinkForm, institutions: readonly Institution[]): SafeHtml {
  return panel(
    html`<h1>Choose your bank</h1>${counterparty(common.clientName, "wants to see your accounts")}${institutions.map(
      (each) =>
        form({
          action: "/link/institution",
          csrf: common.csrf,
          body: html`${carried(common)}${hidden("institution_id", each.id)}${actions([button({ label: each.name, kind: "secondary" })])}`,
        }),
    )}${cancelForm(common)}`,
  );
}

/** The bank's sign-in. */
export function signInView(common: LinkForm, institution: Institution, problem?: string): SafeHtml {
  return panel(
    html`<h1>Sign in at ${institution.name}</h1>${problem !== undefined && alert({ kind: "error", text: problem })}${form(
      {
        action: "/link/sign-in",
        csrf: common.csrf,
        body: html`${carried(common)}${hidden("institution_id", institution.id)}${field({ name: "username", label: "User name", autocomplete: "username", maxLength: 100 })}${field({ name: "password", label: "Password", type: "password", autocomplete: "current-password", maxLength: 100 })}${actions([button({ label: "Sign in" })])}`,
      },
    )}${cancelForm(common)}`,
  );
}

/** What the application will see, and the accounts to choose. */
export function consentView(
  common: LinkForm,
  consent: { institution: Institution; person: Person; renewal: boolean; products: readonly string[] },
): SafeHtml {
  const accounts = html`<fieldset><legend>Accounts to share</legend>${consent.person.accounts.map((account) =>
    checkbox({ name: `account_${account.key}`, label: account.name, hint: `ending in ${account.mask}`, checked: true }),
  )}</fieldset>`;
  return panel(
    html`<h1>${consent.renewal ? "Renew access" : "Share your accounts"}</h1>${counterparty(common.clientName, `asks ${consent.institution.name} for`)}${permissionList(
      [
        { title: "Accounts and balances" },
        ...(consent.products.includes("transactions") ? [{ title: "Transactions", detail: "Past and new ones" }] : []),
      ],
    )}${form({
      action: "/link/consent",
      csrf: common.csrf,
      body: html`${carried(common)}${!consent.renewal && accounts}${actions([button({ label: "Allow" })])}`,
    })}${cancelForm(common)}`,
  );
}

/** The end of a session without an address to go to. */
export function doneView(): SafeHtml {
  return panel(
    html`<h1>All set</h1>${alert({ kind: "success", text: "Your accounts are linked. You can close this window." })}`,
  );
}

/** A problem that ends the session. */
export function problemView(text: string): SafeHtml {
  return panel(html`<h1>This did not work</h1>${alert({ kind: "error", text })}`);
}

function carried(common: LinkForm): SafeHtml {
  return html`${hidden("token", common.token)}${hidden("state", common.state)}`;
}

function cancelForm(common: LinkForm): SafeHtml {
  return form({
    action: "/link/cancel",
    csrf: common.csrf,
    body: html`${carried(common)}${actions([button({ label: "Cancel", kind: "quiet", skipsValidation: true })])}`,
  });
}
