import type { Brand } from "../../../platform/pages/brand.ts";
import type { SafeHtml } from "../../../platform/pages/html.ts";
import { type Page, page } from "../../../platform/pages/layout.ts";
import { dayOf } from "../../kit/domain/calendar.ts";
import type { ConsentQuestion } from "../../kit/http/consent-views.ts";
import { accountFacts, accountNumber, type Institution, type Person, people } from "../domain/banks.ts";

const brand: Brand = Object.freeze({ id: "basiq-consent", name: "Consent Sandbox", color: "#0b6e75" });
const footer = `A sandbox: the banks and their customers are made up. Sign in as ${people
  .map((each) => `${each.loginId} with ${each.password}`)
  .join(", or ")}.`;

/** A page of the consent flow. */
export function consentPage(title: string, body: SafeHtml): Page {
  return page({ title, brand, body, footer });
}

/** What a user is asked: for accounts at a bank, or to go on as before. */
export function questionOf(
  ends: Date,
  share?: { readonly institution: Institution; readonly person: Person; readonly isRenewal: boolean },
): ConsentQuestion {
  const permissions = [
    { title: "Accounts and balances" },
    { title: "Transactions", detail: "Past and new ones" },
    { title: `Until ${dayOf(ends)}`, detail: "You can stop sharing earlier at any time" },
  ];
  if (share === undefined) return { bankName: "you", accounts: [], permissions };
  const { institution, person, isRenewal } = share;
  const accounts = accountFacts.map(({ kind, name }) => ({
    key: kind,
    name,
    mask: accountNumber(institution, person, kind).slice(-4),
  }));
  return { bankName: institution.name, accounts: isRenewal ? [] : accounts, permissions };
}
