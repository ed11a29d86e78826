import { badge, button, cardNetworkName, form, linkButton, panel } from "../../platform/pages/components.ts";
import { html, type SafeHtml } from "../../platform/pages/html.ts";
import { type BankDirectory, bankDisplayName } from "../clients/bank-directory.ts";
import type { Card } from "../storage/cards-store.ts";
import type { EnrolmentWithCount } from "../storage/enrolments-store.ts";

/** What the wallet's own page shows. */
export interface WalletPage {
  readonly csrf: string;
  readonly userName: string;
  readonly userEmail: string;
  readonly cards: readonly Card[];
  readonly enrolments: readonly EnrolmentWithCount[];
  readonly directory: BankDirectory;
}

/** Cards, banks, and what can be done with them. */
export function walletView(view: WalletPage): SafeHtml {
  return html`<h1>Hello, ${view.userName}</h1><p class="lead">Your cards and banks in one place.</p>
${view.cards.length > 0 && panel(html`<h2>Cards</h2>${view.cards.map((card) => cardRow(view, card))}`)}
${view.enrolments.map((enrolment) => bankPanel(view, enrolment))}${addPanel(view)}
<section class="panel"><p class="hint">Signed in as ${view.userEmail}</p>${post(view, "/wallet/sign-out", button({ label: "Sign out", kind: "quiet" }))}</section>`;
}

function cardRow(view: WalletPage, card: Card): SafeHtml {
  const bank = bankDisplayName(view.directory, card.bsimId);
  const stale = view.enrolments.some(
    (each) => each.enrolmentId === card.enrolmentId && each.state === "reauth_required",
  );
  const name = `${cardNetworkName(card.cardType)} ending in ${card.lastFour}`;
  return html`<div class="choice"><span class="text"><span class="name">${cardNetworkName(card.cardType)} <span aria-hidden="true">••••</span> ${card.lastFour}</span>
<span class="detail">${bank} · ${card.cardHolder}</span>${card.isDefault && badge("Default", "success")}${stale && badge("Needs your consent", "warning")}</span>
${!card.isDefault && post(view, `/wallet/cards/${card.cardId}/default`, html`<button type="submit" class="button quiet small">Make default<span class="sr">: ${name}</span></button>`)}
${post(view, `/wallet/cards/${card.cardId}/remove`, html`<button type="submit" class="button quiet small">Remove<span class="sr"> ${name}</span></button>`)}</div>`;
}

function bankPanel(view: WalletPage, enrolment: EnrolmentWithCount): SafeHtml {
  const name = bankDisplayName(view.directory, enrolment.bsimId);
  const stale = enrolment.state === "reauth_required";
  const expiry = enrolment.credentialExpiresAt?.toISOString().slice(0, 10);
  return html`<section class="panel"><h2>${name} ${stale ? badge("Needs your consent", "warning") : badge("Connected", "success")}</h2>
<p class="hint">${enrolment.cardCount} ${enrolment.cardCount === 1 ? "card" : "cards"}${expiry !== undefined && html` · consent until ${expiry}`}</p>
<div class="actions side">${post(view, `/enroll/${encodeURIComponent(enrolment.bsimId)}`, button({ label: stale ? `Reconnect ${name}` : `Update ${name}`, kind: stale ? "primary" : "secondary" }))}
${post(view, `/wallet/enrolments/${enrolment.enrolmentId}/remove`, button({ label: `Remove ${name}`, kind: "secondary" }))}</div></section>`;
}

function addPanel(view: WalletPage): SafeHtml | undefined {
  const known = new Set(view.enrolments.map((enrolment) => enrolment.bsimId));
  const banks = view.directory.enrollableBanks().filter((bank) => !known.has(bank.bsimId));
  if (banks.length === 0) return undefined;
  return panel(html`<h2>${known.size === 0 ? "Add your bank" : "Add another bank"}</h2>
<p class="hint">You sign in at the bank and choose the cards to share. The wallet never sees your bank password.</p>${bankButtons(view.directory, view.csrf, known)}`);
}

/** A button for every bank that can be added. */
export function bankButtons(directory: BankDirectory, csrf: string, except: ReadonlySet<string> = new Set()): SafeHtml {
  const banks = directory.enrollableBanks().filter((bank) => !except.has(bank.bsimId));
  return html`${banks.map((bank) =>
    form({
      action: `/enroll/${encodeURIComponent(bank.bsimId)}`,
      csrf,
      body: html`<p>${button({ label: `Add ${bank.name}`, kind: "secondary" })}</p>`,
    }),
  )}`;
}

function post(view: WalletPage, action: string, body: SafeHtml): SafeHtml {
  return form({ action, csrf: view.csrf, body });
}

/** Where an enrolment ends that did not work, and where one can begin. */
export function enrolView(directory: BankDirectory, csrf: string): SafeHtml {
  return panel(html`<h1>Add your bank</h1><p class="lead">Choose a bank. You sign in there and decide what to share.</p>${bankButtons(directory, csrf)}
${linkButton({ label: "Back to the wallet", href: "/wallet", kind: "quiet" })}`);
}
