import {
  actions,
  alert,
  button,
  type CardOption,
  cardChoice,
  cardNetworkName,
  counterparty,
  form,
  moneyText,
  panel,
  permissionList,
} from "../../platform/pages/components.ts";
import { html, type SafeHtml } from "../../platform/pages/html.ts";
import { type BankDirectory, bankDisplayName } from "../clients/bank-directory.ts";
import type { PaymentRequest } from "../domain/payment-request.ts";
import type { Card } from "../storage/cards-store.ts";
import type { EnrolmentWithCount } from "../storage/enrolments-store.ts";

/** The page's address and its form token. */
export interface InteractionForms {
  readonly base: string;
  readonly csrf: string;
}

/** What the card page shows. */
export interface CardPage {
  readonly forms: InteractionForms;
  readonly payment: PaymentRequest;
  readonly userEmail: string;
  readonly cards: readonly Card[];
  readonly enrolments: readonly EnrolmentWithCount[];
  readonly directory: BankDirectory;
  readonly chosenCardId?: string | undefined;
  readonly notice?: { readonly kind: "success" | "error" | "info"; readonly text: string } | undefined;
}

/** Merchant, amount and order: what the customer is asked for, the same before and after signing in. */
export function paymentSummary(payment: PaymentRequest): SafeHtml {
  return html`<section class="panel" aria-label="Payment">${counterparty(payment.merchantName, "asks you to pay")}
<p class="amount">${moneyText(payment.amountMinor, payment.currency)}</p>${payment.orderId !== undefined && html`<p class="hint">Order ${payment.orderId}</p>`}</section>`;
}

/** The page where a card is chosen and the payment authorized. */
export function cardPageView(view: CardPage): SafeHtml {
  const usable = view.cards.filter((card) => !needsConsent(view, card));
  const stale = view.enrolments.filter((enrolment) => enrolment.state === "reauth_required");
  return html`${view.notice !== undefined && alert(view.notice)}${paymentSummary(view.payment)}
${usable.length > 0 ? panel(html`<h1>Choose a card</h1>${chooseForm(view, usable)}`) : addBankPanel(view)}
${stale.length > 0 && reconnectPanel(view, stale)}${usable.length > 0 && otherBanksPanel(view)}${accountLine(view)}`;
}

function needsConsent(view: CardPage, card: Card): boolean {
  return view.enrolments.some((each) => each.enrolmentId === card.enrolmentId && each.state === "reauth_required");
}

function chooseForm(view: CardPage, usable: readonly Card[]): SafeHtml {
  const chosen =
    usable.find((card) => card.cardId === view.chosenCardId) ?? usable.find((card) => card.isDefault) ?? usable[0];
  const cards: CardOption[] = usable.map((card) => ({
    value: card.cardId,
    cardType: card.cardType,
    lastFour: card.lastFour,
    detail: `${bankDisplayName(view.directory, card.bsimId)} · ${expiryText(card)}`,
    checked: card === chosen,
  }));
  return form({
    action: `${view.forms.base}/select-card`,
    csrf: view.forms.csrf,
    body: html`${cardChoice({ name: "walletCardId", legend: "Pay with", pick: "one", cards })}${actions([
      button({ label: "Authorize" }),
      button({ label: "Cancel", kind: "secondary", action: `${view.forms.base}/abort`, skipsValidation: true }),
    ])}`,
  });
}

function expiryText(card: Card): string {
  return `expires ${String(card.expiryMonth).padStart(2, "0")}/${String(card.expiryYear).slice(-2)}`;
}

function reconnectPanel(view: CardPage, stale: readonly EnrolmentWithCount[]): SafeHtml {
  return html`<section class="panel"><h2>Needs your consent again</h2>${stale.map((enrolment) => {
    const name = bankDisplayName(view.directory, enrolment.bsimId);
    const cards = view.cards.filter((card) => card.enrolmentId === enrolment.enrolmentId);
    const list = cards.map((card) => `${cardNetworkName(card.cardType)} •••• ${card.lastFour}`).join(", ");
    return html`<p class="hint">${list === "" ? name : `${list} (${name})`} cannot be used until you allow it at the bank again.</p>${bankButton(view.forms, enrolment.bsimId, { label: `Reconnect ${name}`, kind: "secondary" })}`;
  })}</section>`;
}

/** Banks that can be added and are not yet there. */
function addableBanks(view: CardPage) {
  const known = new Set(view.enrolments.map((enrolment) => enrolment.bsimId));
  return view.directory.enrollableBanks().filter((bank) => !known.has(bank.bsimId));
}

function addBankPanel(view: CardPage): SafeHtml {
  return panel(html`<h1>Add a bank to pay</h1>
<p class="lead">Your wallet has no card for this payment yet. Choose your bank, sign in there, and you come straight back here.</p>
${addableBanks(view).map((bank) => bankButton(view.forms, bank.bsimId, { label: `Add ${bank.name}`, kind: "primary" }))}
${form({ action: `${view.forms.base}/abort`, csrf: view.forms.csrf, body: button({ label: "Cancel", kind: "secondary" }) })}`);
}

function otherBanksPanel(view: CardPage): SafeHtml | undefined {
  const banks = addableBanks(view);
  if (banks.length === 0) return undefined;
  return panel(
    html`<h2>Use a card of another bank</h2>${banks.map((bank) =>
      bankButton(view.forms, bank.bsimId, { label: `Add ${bank.name}`, kind: "secondary" }),
    )}`,
  );
}

function bankButton(
  forms: InteractionForms,
  bsimId: string,
  shown: { readonly label: string; readonly kind: "primary" | "secondary" },
): SafeHtml {
  return form({
    action: `${forms.base}/enroll/${encodeURIComponent(bsimId)}`,
    csrf: forms.csrf,
    body: html`<p>${button(shown)}</p>`,
  });
}

function accountLine({ forms, userEmail }: CardPage): SafeHtml {
  return html`<div class="quietly">Signed in as ${userEmail}<br>${form({
    action: `${forms.base}/sign-out`,
    csrf: forms.csrf,
    body: button({ label: "Use another account", kind: "quiet", small: true }),
  })}</div>`;
}

/** The page of a client that asks who somebody is, without a payment. */
export function consentView(
  forms: InteractionForms,
  asked: { readonly clientName: string; readonly scopes: readonly string[]; readonly userEmail: string },
): SafeHtml {
  const items = [{ title: "Know that it is you" }];
  if (asked.scopes.includes("profile")) items.push({ title: "See your name" });
  if (asked.scopes.includes("email")) items.push({ title: "See your e-mail address" });
  return html`${panel(
    html`${counterparty(asked.clientName, "asks to")}<h1>Continue to ${asked.clientName}?</h1>${permissionList(items)}${form(
      {
        action: `${forms.base}/consent`,
        csrf: forms.csrf,
        body: actions([
          button({ label: "Allow" }),
          button({ label: "Cancel", kind: "secondary", action: `${forms.base}/abort`, skipsValidation: true }),
        ]),
      },
    )}<p class="hint">Signed in as ${asked.userEmail}</p>`,
  )}`;
}

/** Cancel, for pages before the card page. */
export function cancelBelow(forms: InteractionForms): SafeHtml {
  return html`<div class="quietly">${form({
    action: `${forms.base}/abort`,
    csrf: forms.csrf,
    body: button({ label: "Cancel", kind: "quiet", small: true }),
  })}</div>`;
}
