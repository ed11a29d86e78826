import { toMajorText } from "../money/amount.ts";
import type { Currency } from "../money/currency.ts";
import { html, raw, type SafeHtml } from "./html.ts";
import { initials } from "./layout.ts";

/** Options of `field`. */
export interface FieldOptions {
  readonly name: string;
  /** Visible, and what scripts and screen readers find it by. */
  readonly label: string;
  readonly type?: "text" | "email" | "password" | "tel" | "search" | "number";
  readonly value?: string | undefined;
  /** The `autocomplete` token, so password managers and phones can help: `username`, `current-password`, `one-time-code`… */
  readonly autocomplete?: string;
  readonly inputMode?: "numeric" | "decimal" | "email";
  readonly hint?: string;
  readonly error?: string | undefined;
  /** True unless told. */
  readonly required?: boolean;
  readonly maxLength?: number;
  readonly autofocus?: boolean;
  /** Large spaced digits, for a one-time code. */
  readonly code?: boolean;
}

/** A labelled input. Hint and error are tied to it, so they are read with it. A password is never sent back. */
export function field(options: FieldOptions): SafeHtml {
  const id = `field-${options.name}`;
  const described = [options.hint !== undefined && `${id}-hint`, options.error !== undefined && `${id}-error`]
    .filter((each) => each !== false)
    .join(" ");
  const value = options.type === "password" ? undefined : options.value;
  return html`<div class="field ${options.code === true && raw("code")}"><label for="${id}">${options.label}</label>
<input id="${id}" name="${options.name}" type="${options.type ?? "text"}"${attribute("value", value)}${attribute("autocomplete", options.autocomplete)}${attribute("inputmode", options.inputMode)}${attribute("maxlength", options.maxLength?.toString())}${attribute("aria-describedby", described === "" ? undefined : described)}${options.error !== undefined && raw(' aria-invalid="true"')}${options.required !== false && raw(" required")}${options.autofocus === true && raw(" autofocus")}>
${options.hint !== undefined && html`<p class="hint" id="${id}-hint">${options.hint}</p>`}${options.error !== undefined && html`<p class="error-text" id="${id}-error">${options.error}</p>`}</div>`;
}

/** Options of `button`. */
export interface ButtonOptions {
  readonly label: string;
  /** What a screen reader says, where the label alone does not tell what of; begins with the label (WCAG 2.5.3). */
  readonly spokenLabel?: string;
  readonly kind?: "primary" | "secondary" | "danger" | "quiet";
  readonly name?: string;
  readonly value?: string;
  /** Posts the form to another path than the form's own. */
  readonly action?: string;
  /** Leaves required fields unchecked, for Cancel and Deny. */
  readonly skipsValidation?: boolean;
  readonly small?: boolean;
}

/** A submit button. */
export function button(options: ButtonOptions): SafeHtml {
  return html`<button type="submit" class="${buttonClass(options)}"${attribute("name", options.name)}${attribute("value", options.value)}${attribute("formaction", options.action)}${options.skipsValidation === true && raw(" formnovalidate")}${attribute("aria-label", options.spokenLabel)}>${options.label}</button>`;
}

/** A link that looks like a button. */
export function linkButton(
  options: { readonly label: string; readonly href: string } & Pick<ButtonOptions, "kind" | "small" | "spokenLabel">,
): SafeHtml {
  return html`<a class="${buttonClass(options)}" href="${options.href}"${attribute("aria-label", options.spokenLabel)}>${options.label}</a>`;
}

function buttonClass(options: Pick<ButtonOptions, "kind" | "small">): string {
  return ["button", options.kind ?? "primary", options.small === true ? "small" : ""].join(" ").trim();
}

/** Options of `form`. */
export interface FormOptions {
  /** A path of this origin. */
  readonly action: string;
  /** From `Csrf.token`; every form that changes something has one. */
  readonly csrf: string;
  readonly body: SafeHtml;
}

/** A form that posts, with its CSRF token. */
export function form(options: FormOptions): SafeHtml {
  return html`<form method="post" action="${options.action}">${hidden("_csrf", options.csrf)}${options.body}</form>`;
}

/** A hidden field. */
export function hidden(name: string, value: string): SafeHtml {
  return html`<input type="hidden" name="${name}" value="${value}">`;
}

/** Buttons at the end of a form: one under the other on a phone; `side` puts two beside each other where there is room. */
export function actions(buttons: readonly SafeHtml[], side = false): SafeHtml {
  return html`<div class="actions ${side && raw("side")}">${buttons}</div>`;
}

/** A message; errors and warnings interrupt a screen reader, the others wait for a pause. */
export function alert(options: {
  readonly kind: "info" | "success" | "warning" | "error";
  readonly title?: string;
  readonly text: string | SafeHtml;
}): SafeHtml {
  const role = options.kind === "error" || options.kind === "warning" ? "alert" : "status";
  return html`<div class="alert ${options.kind}" role="${role}">${options.title !== undefined && html`<strong>${options.title}</strong>`}<p>${options.text}</p></div>`;
}

/** One payment card to choose. */
export interface CardOption {
  readonly value: string;
  /** Network as stored: `VISA`, `MC`, `AMEX`… */
  readonly cardType: string;
  readonly lastFour: string;
  /** A second line: holder, expiry, bank. */
  readonly detail?: string;
  readonly checked?: boolean;
}

/** Options of `cardChoice`. */
export interface CardChoiceOptions {
  readonly name: string;
  readonly legend: string;
  /** One of them, or any of them. */
  readonly pick: "one" | "any";
  readonly cards: readonly CardOption[];
}

/** Cards as large touch targets: radio buttons or check boxes with the network and the last four digits as their name. */
export function cardChoice(options: CardChoiceOptions): SafeHtml {
  const type = options.pick === "one" ? "radio" : "checkbox";
  return html`<fieldset><legend>${options.legend}</legend>${options.cards.map(
    (
      card,
    ) => html`<label class="choice"><input type="${type}" name="${options.name}" value="${card.value}"${card.checked === true && raw(" checked")}${options.pick === "one" && raw(" required")}>
<span class="text"><span class="name">${cardNetworkName(card.cardType)} <span class="nowrap"><span aria-hidden="true">••••</span><span class="sr">ending in</span> ${card.lastFour}</span></span>${card.detail !== undefined && html`<span class="detail">${card.detail}</span>`}</span>${cardArt(card.cardType)}</label>`,
  )}</fieldset>`;
}

function cardArt(cardType: string): SafeHtml {
  const known = ["visa", "mc", "amex"].find((each) => each === cardType.toLowerCase()) ?? "";
  return html`<span class="plastic ${known}" aria-hidden="true">${known === "mc" ? "" : cardNetworkName(cardType).slice(0, 5).toUpperCase()}</span>`;
}

/** The name people know a card network by. */
export function cardNetworkName(cardType: string): string {
  const names: ReadonlyMap<string, string> = new Map([
    ["VISA", "Visa"],
    ["MC", "Mastercard"],
    ["MASTERCARD", "Mastercard"],
    ["AMEX", "American Express"],
  ]);
  return names.get(cardType.toUpperCase()) ?? cardType;
}

/** A check box with its explanation. */
export function checkbox(options: {
  readonly name: string;
  readonly label: string;
  readonly hint?: string;
  readonly checked?: boolean;
}): SafeHtml {
  return html`<label class="choice"><input type="checkbox" name="${options.name}" value="yes"${options.checked === true && raw(" checked")}><span class="text"><span class="name">${options.label}</span>${options.hint !== undefined && html`<span class="detail">${options.hint}</span>`}</span></label>`;
}

/** What somebody asks to be allowed to do. */
export function permissionList(items: readonly { readonly title: string; readonly detail?: string }[]): SafeHtml {
  return html`<ul class="grants">${items.map(
    (item) =>
      html`<li><span class="tick" aria-hidden="true">✓</span><span><span class="name">${item.title}</span>${item.detail !== undefined && html`<span class="detail">${item.detail}</span>`}</span></li>`,
  )}</ul>`;
}

/** Facts of a payment, a label and a value a row; the row named `total` is set apart. */
export function receipt(options: {
  readonly caption?: string;
  readonly rows: readonly (readonly [label: string, value: string | SafeHtml])[];
  readonly total?: readonly [label: string, value: string];
}): SafeHtml {
  return html`<table class="facts">${options.caption !== undefined && html`<caption>${options.caption}</caption>`}<tbody>${options.rows.map(
    ([label, value]) => html`<tr><th scope="row">${label}</th><td>${value}</td></tr>`,
  )}${options.total !== undefined && html`<tr class="total"><th scope="row">${options.total[0]}</th><td>${options.total[1]}</td></tr>`}</tbody></table>`;
}

/** A short state. */
export function badge(text: string, kind: "neutral" | "success" | "warning" | "error" = "neutral"): SafeHtml {
  return html`<span class="badge ${kind}">${text}</span>`;
}

/** The white sheet a page's content stands on. */
export function panel(body: SafeHtml): SafeHtml {
  return html`<section class="panel">${body}</section>`;
}

/** Who is on the other side: the firm that asks, beside its initials. */
export function counterparty(name: string, detail: string): SafeHtml {
  return html`<div class="who"><span class="mark" aria-hidden="true">${initials(name)}</span><span><strong>${name}</strong><span class="hint"> ${detail}</span></span></div>`;
}

/** An amount as people read it (`$12.34`, `US$12.34`), exact at any size. */
export function moneyText(minor: bigint, currency: Currency): string {
  // Decimal text is formatted exactly; toMajorText writes nothing else.
  const major = toMajorText(minor, currency) as `${number}`;
  return new Intl.NumberFormat("en-CA", { style: "currency", currency }).format(major);
}

function attribute(name: string, value: string | undefined): SafeHtml | undefined {
  return value === undefined ? undefined : html` ${raw(name)}="${value}"`;
}
