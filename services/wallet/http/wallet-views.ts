import {
  alert,
  badge,
  button,
  cardNetworkName,
  field,
  form,
  linkButton,
  panel,
} from "../../platform/pages/components.ts";
import { html, raw, type SafeHtml } from "../../platform/pages/html.ts";
import { type BankDirectory, bankDisplayName } from "../clients/bank-directory.ts";
import { isOfBank, type Notice, noticeInWords } from "../domain/owner-notice.ts";
import type { Card } from "../storage/cards-store.ts";
import type { EnrolmentWithCount } from "../storage/enrolments-store.ts";

/** What the wallet's own page shows. */
export interface WalletPage {
  readonly csrf: string;
  readonly userName: string;
  readonly userEmail: string;
  readonly hasPassword: boolean;
  /** What is wrong with a password just chosen. */
  readonly passwordProblem?: string | undefined;
  readonly cards: readonly Card[];
  readonly enrolments: readonly EnrolmentWithCount[];
  readonly directory: BankDirectory;
  /** What the person is still to be told, newest first. */
  readonly notices: readonly Notice[];
  /** Where connections of data providers are shown; undefined where nobody serves that. */
  readonly connectionsUrl: string | undefined;
}

/** Banks with their cards, and what can be done with them. */
export function walletView(view: WalletPage): SafeHtml {
  return html`<h1>Hello, ${view.userName}</h1><p class="lead">Your cards and banks in one place.</p>${view.notices.map((notice) => noticePanel(view, notice))}
${view.enrolments.map((enrolment) => bankPanel(view, enrolment))}${addPanel(view)}${view.connectionsUrl !== undefined && connectionsPanel(view.connectionsUrl)}${passwordPanel(view)}
<div class="quietly">Signed in as ${view.userEmail}<br>${post(view, "/wallet/sign-out", button({ label: "Sign out", kind: "quiet", small: true }))}<br><a href="/wallet/close">Delete my wallet</a></div>`;
}

/** What has happened to a connection. A bank's own panel has the button that helps; a provider's connection has a page. */
function noticePanel(view: WalletPage, notice: Notice): SafeHtml | undefined {
  const words = noticeInWords(notice);
  if (words === undefined) return undefined;
  const there = !isOfBank(notice) && view.connectionsUrl !== undefined && words.needsPerson;
  const look =
    there && linkButton({ label: "Look at connected accounts", href: view.connectionsUrl ?? "", small: true });
  const hide = button({ label: "Hide", spokenLabel: `Hide: ${words.title}`, kind: "quiet", small: true });
  return html`<section class="panel notice" aria-label="${words.title}"><h2>${words.title}</h2><p>${words.detail}</p>
<div class="ends">${look}${post(view, `/wallet/notices/${encodeURIComponent(notice.noticeId)}/hide`, hide)}</div></section>`;
}

function bankPanel(view: WalletPage, enrolment: EnrolmentWithCount): SafeHtml {
  const name = bankDisplayName(view.directory, enrolment.bsimId);
  const stale = enrolment.state === "reauth_required";
  const expiry = enrolment.credentialExpiresAt?.toISOString().slice(0, 10);
  const cards = view.cards.filter((card) => card.enrolmentId === enrolment.enrolmentId);
  const again = button({
    label: `${stale ? "Reconnect" : "Update"} ${name}`,
    kind: stale ? "primary" : "secondary",
    small: true,
  });
  return panel(html`<div class="bank"><h2>${name}</h2>${stale ? badge("Needs your consent", "warning") : badge("Connected", "success")}</div>
<ul class="held">${cards.map((card) => cardRow(view, card))}</ul>
<div class="ends">${post(view, `/enroll/${encodeURIComponent(enrolment.bsimId)}`, again)}
${post(view, `/wallet/enrolments/${enrolment.enrolmentId}/remove`, button({ label: `Remove ${name}`, kind: "secondary", small: true }))}</div>
${expiry !== undefined && !stale && html`<p class="hint">You allowed this until ${expiry}.</p>`}`);
}

function cardRow(view: WalletPage, card: Card): SafeHtml {
  const network = cardNetworkName(card.cardType);
  const name = `${network} ending in ${card.lastFour}`;
  const expiry = `${String(card.expiryMonth).padStart(2, "0")}/${String(card.expiryYear).slice(-2)}`;
  return html`<li><span class="text"><span class="name">${network} <span aria-hidden="true">••••</span><span class="sr">ending in</span> ${card.lastFour} ${card.isDefault && badge("Default")}</span>
<span class="detail">${card.cardHolder} · expires ${expiry}</span></span><span class="does">
${!card.isDefault && post(view, `/wallet/cards/${card.cardId}/default`, button({ label: "Make default", spokenLabel: `Make default: ${name}`, kind: "quiet", small: true }))}
${post(view, `/wallet/cards/${card.cardId}/remove`, button({ label: "Remove", spokenLabel: `Remove ${name}`, kind: "quiet", small: true }))}</span></li>`;
}

function addPanel(view: WalletPage): SafeHtml | undefined {
  const known = new Set(view.enrolments.map((enrolment) => enrolment.bsimId));
  const banks = view.directory.enrollableBanks().filter((bank) => !known.has(bank.bsimId));
  if (banks.length === 0) return undefined;
  return panel(html`<h2>${known.size === 0 ? "Add your bank" : "Add another bank"}</h2>
<p class="hint">You sign in at the bank and choose the cards to share. The wallet never sees your bank password.</p>${bankButtons(view.directory, view.csrf, known)}`);
}

/** Accounts at data providers have pages of their own. */
function connectionsPanel(href: string): SafeHtml {
  return panel(html`<h2>Accounts elsewhere</h2>
<p class="hint">See balances and transactions of other banks beside these. No card is shared.</p>
<p>${linkButton({ label: "Connected accounts", href, kind: "secondary" })}</p>`);
}

function passwordPanel(view: WalletPage): SafeHtml {
  const problem = view.passwordProblem;
  const present =
    view.hasPassword &&
    field({
      name: "present",
      label: "Present password",
      type: "password",
      autocomplete: "current-password",
      maxLength: 200,
    });
  const fields = html`${problem !== undefined && alert({ kind: "error", text: problem })}${present}${field({
    name: "password",
    label: "New password",
    type: "password",
    autocomplete: "new-password",
    maxLength: 200,
    hint: "At least 8 characters.",
  })}${button({ label: "Save password", kind: "secondary" })}`;
  return panel(html`<details${problem !== undefined && raw(" open")}><summary>${view.hasPassword ? "Change your password" : "Set a password"}</summary>
<p class="hint">A code by mail always works too.</p>${post(view, "/wallet/password", fields)}</details>`);
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
