import type { Brand } from "../../../platform/pages/brand.ts";
import {
  actions,
  alert,
  button,
  cardChoice,
  checkbox,
  counterparty,
  field,
  form,
  panel,
  permissionList,
} from "../../../platform/pages/components.ts";
import { html, raw, type SafeHtml } from "../../../platform/pages/html.ts";
import { type Page, page } from "../../../platform/pages/layout.ts";
import { walletEnrollScope } from "../../domain/wallet-credential.ts";
import type { OwnedAccount, OwnedCard } from "../../storage/customer-store.ts";

/** What both consent pages show. */
export interface ConsentView {
  readonly brand: Brand;
  readonly uid: string;
  readonly csrf: string;
  readonly clientName: string;
  readonly customerName: string;
  readonly customerEmail: string;
  readonly scopes: ReadonlySet<string>;
  readonly cards: readonly OwnedCard[];
  readonly accounts: readonly OwnedAccount[];
  /** What is ticked; undefined on first sight, when everything is. */
  readonly chosen: ReadonlySet<string> | undefined;
  readonly problem: string | undefined;
  /** What was typed as a payment's limit. */
  readonly limit: string | undefined;
}

/** Asks whether a wallet, or another client, may use what it asks for; cards and accounts can be left out one by one. */
export function consentPage(view: ConsentView): Page {
  const wallet = view.scopes.has(walletEnrollScope);
  const body =
    panel(html`<h1>${wallet ? html`Add your cards to ${view.clientName}?` : html`Let ${view.clientName} in?`}</h1>
${counterparty(view.clientName, "asks for your permission to:")}
${permissionList(permissionsOf(view))}
${view.problem !== undefined && alert({ kind: "error", text: view.problem })}
${form({
  action: `/interaction/${view.uid}/confirm`,
  csrf: view.csrf,
  body: html`${wallet && cardSection(view)}${showsAccounts(view) && accountSection(view)}
${checkbox({ name: "remember", label: "Remember this decision", hint: `${view.brand.name} will not ask again when ${view.clientName} wants the same.` })}
${decisionButtons(view)}`,
})}
${signedInAs(view)}`);
  return page({
    title: wallet ? "Add cards to your wallet" : "Permission",
    brand: view.brand,
    body,
    footer: `Your card numbers stay with ${view.brand.name}. You can remove what you share from ${view.clientName} at any time.`,
  });
}

/** Asks for one payment permission: which card, and up to what amount. */
export function paymentConsentPage(view: ConsentView): Page {
  const [first] = view.cards;
  const body = panel(html`<h1>Pay ${view.clientName} by card?</h1>
<p class="lead">${view.clientName} may take <strong>one payment</strong> from the card you choose, within 24 hours.</p>
${view.problem !== undefined && alert({ kind: "error", text: view.problem })}
${form({
  action: `/interaction/${view.uid}/confirm`,
  csrf: view.csrf,
  body: html`${
    first === undefined
      ? alert({ kind: "warning", text: "You have no active card at this bank." })
      : cardChoice({
          name: "selectedCard",
          legend: "Choose a card",
          pick: "one",
          cards: view.cards.map((card) => cardOption(card, view.chosen?.has(card.id) ?? card === first)),
        })
  }
${
  first !== undefined &&
  field({
    name: "limit",
    label: `Limit in ${first.currency} (optional)`,
    inputMode: "decimal",
    required: false,
    value: view.limit,
    maxLength: 15,
    hint: "A payment above this amount is declined.",
  })
}
${decisionButtons(view)}`,
})}
${signedInAs(view)}`);
  return page({ title: "Payment permission", brand: view.brand, body });
}

function permissionsOf(view: ConsentView): { title: string; detail?: string }[] {
  const { scopes } = view;
  const list: { title: string; detail?: string }[] = [];
  if (scopes.has("profile") || scopes.has("email")) {
    list.push({ title: "See your profile", detail: "Your name and email address" });
  }
  if (scopes.has(walletEnrollScope)) {
    list.push(
      { title: "Add your cards", detail: "Type, last four digits and expiry of the cards you choose" },
      { title: "Request payments", detail: "Each with your approval in the wallet" },
    );
  }
  if (scopes.has("fdx:accountdetailed:read")) {
    list.push({ title: "See your accounts", detail: "Names, masked numbers and balances of the accounts you choose" });
  }
  if (scopes.has("fdx:transactions:read")) list.push({ title: "See transactions of these accounts" });
  if (scopes.has("fdx:customercontact:read")) list.push({ title: "See your contact details" });
  return list.length > 0 ? list : [{ title: "Know who you are", detail: "A reference that stands for you here" }];
}

/** Whether the request is about accounts. */
export function showsAccounts(view: Pick<ConsentView, "scopes">): boolean {
  return view.scopes.has("fdx:accountdetailed:read") || view.scopes.has("fdx:transactions:read");
}

function cardSection(view: ConsentView): SafeHtml {
  if (view.cards.length === 0) return alert({ kind: "warning", text: "You have no active card at this bank." });
  return cardChoice({
    name: "selectedCards",
    legend: "Your cards",
    pick: "any",
    cards: view.cards.map((card) => cardOption(card, view.chosen?.has(card.id) ?? true)),
  });
}

function cardOption(card: OwnedCard, checked: boolean) {
  const expiry = `${String(card.expiryMonth).padStart(2, "0")}/${String(card.expiryYear).slice(-2)}`;
  return {
    value: card.id,
    cardType: card.brand,
    lastFour: card.lastFour,
    detail: `${card.holder} · ${expiry}`,
    checked,
  };
}

function accountSection(view: ConsentView): SafeHtml {
  return html`<fieldset><legend>Your accounts</legend>${view.accounts.map(
    (account) =>
      html`<label class="choice"><input type="checkbox" name="selectedAccounts" value="${account.id}"${(view.chosen?.has(account.id) ?? true) && raw(" checked")}><span class="text"><span class="name">${account.name}</span><span class="detail">${account.maskedNumber}</span></span></label>`,
  )}</fieldset>`;
}

// Allow stands first in the document, so that the Enter key in a field means it.
function decisionButtons(view: ConsentView): SafeHtml {
  return actions(
    [
      button({ label: "Allow" }),
      button({ label: "Deny", kind: "secondary", action: `/interaction/${view.uid}/abort`, skipsValidation: true }),
    ],
    true,
  );
}

function signedInAs(view: ConsentView): SafeHtml {
  return html`<p class="hint">Signed in as ${view.customerName} (${view.customerEmail}). <a href="/interaction/${view.uid}/sign-in">Not you?</a></p>`;
}
