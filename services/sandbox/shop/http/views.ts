import { parseCurrency } from "../../../platform/money/currency.ts";
import {
  actions,
  alert,
  badge,
  button,
  field,
  form,
  hidden,
  linkButton,
  moneyText,
  panel,
  receipt,
} from "../../../platform/pages/components.ts";
import { html, type SafeHtml } from "../../../platform/pages/html.ts";
import type { DirectBank } from "../config.ts";
import { catalogue, type Line, shopCurrency, totalOf } from "../domain/catalogue.ts";
import { actionsFor, isPayable, type Order, type OrderState } from "../domain/order.ts";
import { wordsForRefusal } from "../domain/payment-result.ts";
import { drawing } from "./drawings.ts";

/** Gives the token of a form by its purpose. */
export type FormToken = (purpose: string) => string;

const cad = (minor: bigint) => moneyText(minor, parseCurrency(shopCurrency));

/** The shelf. */
export function shelfView(token: FormToken): SafeHtml {
  return html`<h1>Good things for the cabin</h1><p class="lead">Small batch, made nearby, paid from your wallet.</p>
<ul class="shelf">${catalogue.map(
    (
      product,
    ) => html`<li class="panel"><div class="picture" aria-hidden="true">${drawing(product.id)}</div><h2>${product.name}</h2>
<p>${product.description}</p><div class="buy"><span class="price">${cad(product.priceMinor)}</span>${form({
      action: "/cart",
      csrf: token("cart"),
      body: html`${hidden("productId", product.id)}<button type="submit" class="button small" aria-label="Add to cart: ${product.name}">Add to cart</button>`,
    })}</div></li>`,
  )}</ul>`;
}

/** The cart, with the ways to pay. */
export function cartView(lines: readonly Line[], banks: readonly DirectBank[], token: FormToken): SafeHtml {
  if (lines.length === 0) {
    return panel(
      html`<h1>Your cart</h1><p class="lead">It is empty.</p>${linkButton({ label: "Go to the shop", href: "/" })}`,
    );
  }
  return panel(html`<h1>Your cart</h1>${lines.map((line) => cartLine(line, token))}
<div class="sum"><span>Total</span><span>${cad(totalOf(lines))}</span></div>${payWays("/checkout", banks, token)}`);
}

function cartLine(line: Line, token: FormToken): SafeHtml {
  return html`<div class="line"><div class="picture" aria-hidden="true">${drawing(line.productId)}</div>
<div class="text"><span class="name">${line.name}</span><span class="detail">${line.quantity} × ${cad(line.priceMinor)}</span></div>${form(
    {
      action: "/cart/remove",
      csrf: token("cart"),
      body: html`${hidden("productId", line.productId)}<button type="submit" class="button quiet small" aria-label="Remove ${line.name}">Remove</button>`,
    },
  )}</div>`;
}

function payWays(base: string, banks: readonly DirectBank[], token: FormToken): SafeHtml {
  const wallet = form({
    action: `${base}/wallet`,
    csrf: token("pay"),
    body: actions([button({ label: "Pay with Wallet" })]),
  });
  if (banks.length === 0) return wallet;
  return html`${wallet}<p class="or">or pay from a bank account directly</p>${banks.map((bank) =>
    form({
      action: `${base}/bank/${encodeURIComponent(bank.id)}`,
      csrf: token("pay"),
      body: html`<p>${button({ label: `Pay from ${bank.name}`, kind: "secondary" })}</p>`,
    }),
  )}`;
}

const stateWords: Readonly<Record<OrderState, { label: string; kind: "neutral" | "success" | "warning" | "error" }>> = {
  awaiting_payment: { label: "Not paid", kind: "neutral" },
  paying: { label: "Payment under way", kind: "warning" },
  authorized: { label: "Authorized", kind: "success" },
  captured: { label: "Captured", kind: "success" },
  refunded: { label: "Refunded", kind: "neutral" },
  voided: { label: "Voided", kind: "neutral" },
  expired: { label: "Expired", kind: "neutral" },
  cancelled: { label: "Cancelled", kind: "neutral" },
  declined: { label: "Declined", kind: "error" },
  failed: { label: "Failed", kind: "error" },
};

function headline(order: Order): SafeHtml {
  const bank = order.bankName ?? "your bank";
  const total = cad(order.totalMinor);
  const done = (mark: string, kind: string, title: string, text: string) =>
    html`<div class="approved"><div class="mark-big ${kind}" aria-hidden="true">${mark}</div><h1>${title}</h1><p class="lead">${text}</p></div>`;
  switch (order.state) {
    case "authorized":
      return done("✓", "", "Thank you", `${bank} approved ${total}.`);
    case "captured":
      return done("✓", "", "Paid", `${bank} approved ${total}; ${cad(order.capturedMinor)} is captured.`);
    case "refunded":
      return done("↩", "", "Refunded", `${cad(order.refundedMinor)} went back by way of ${bank}.`);
    case "voided":
      return done("–", "wait", "Payment voided", `${bank} released the hold. Nothing was charged.`);
    case "expired":
      return done("–", "wait", "Payment expired", `${bank} released the hold. Nothing was charged.`);
    case "paying":
      return done(
        "…",
        "wait",
        "Payment under way",
        "The bank has not answered yet. Reload this page in a moment; do not pay again.",
      );
    case "declined":
      return done("!", "bad", "Payment declined", wordsForRefusal(order.declineReason));
    case "failed":
      return done("!", "bad", "Payment failed", "The payment could not be completed. Nothing was charged.");
    case "cancelled":
      return done("–", "wait", "Payment cancelled", "You left without paying. Nothing was charged.");
    case "awaiting_payment":
      return done("…", "wait", "Not paid yet", "This order waits for its payment.");
    default: {
      const impossible: never = order.state;
      throw new Error(`unreachable state ${String(impossible)}`);
    }
  }
}

/** One order: what became of its payment, what was bought, and the shop's desk. */
export function orderView(order: Order, banks: readonly DirectBank[], token: FormToken, problem?: string): SafeHtml {
  const rows: (readonly [string, string | SafeHtml])[] = order.lines.map((line) => [
    `${line.name} × ${line.quantity}`,
    cad(line.priceMinor * BigInt(line.quantity)),
  ]);
  const facts: (readonly [string, string | SafeHtml])[] = [
    ["Order", order.id],
    ["State", badge(stateWords[order.state].label, stateWords[order.state].kind)],
    ["Paid with", order.method === "wallet" ? "Wallet" : "Bank account"],
  ];
  if (order.bankName !== null) facts.push(["Bank", order.bankName]);
  if (order.authorizationCode !== null) facts.push(["Authorization", order.authorizationCode]);
  if (order.transactionId !== null) facts.push(["Transaction", order.transactionId]);
  if (order.capturedMinor > 0n) facts.push(["Captured", cad(order.capturedMinor)]);
  if (order.refundedMinor > 0n) facts.push(["Refunded", cad(order.refundedMinor)]);
  return html`${problem !== undefined && alert({ kind: "error", text: problem })}${panel(
    html`${headline(order)}${receipt({ rows, total: ["Total", cad(order.totalMinor)] })}${receipt({ caption: "Payment", rows: facts })}${
      isPayable(order) && payWays(`/orders/${order.id}/pay`, banks, token)
    }`,
  )}${actionsFor(order).length > 0 && deskView(order, token)}`;
}

function deskView(order: Order, token: FormToken): SafeHtml {
  const left = order.capturedMinor - order.refundedMinor;
  const forms: Record<string, SafeHtml> = {
    capture: html`${field({ name: "amount", label: "Amount to capture", inputMode: "decimal", required: false, hint: `Up to ${cad(order.totalMinor)}; all of it when left empty.` })}${button({ label: "Capture" })}`,
    void: button({ label: "Void", kind: "secondary" }),
    refund: html`${hidden("refunded", order.refundedMinor.toString())}${field({ name: "amount", label: "Amount to refund", inputMode: "decimal", required: false, hint: `Up to ${cad(left)}; all of it when left empty.` })}${button({ label: "Refund", kind: "danger" })}`,
  };
  return html`<section class="panel desk"><h2>Shop’s desk</h2><p class="hint">What the merchant does with this payment.</p>${actionsFor(
    order,
  ).map((action) =>
    form({ action: `/orders/${order.id}/${action}`, csrf: token(`desk:${order.id}`), body: forms[action] ?? html`` }),
  )}</section>`;
}

/** The orders of this browser, newest first. */
export function ordersView(orders: readonly Order[]): SafeHtml {
  if (orders.length === 0) {
    return panel(
      html`<h1>Orders</h1><p class="lead">Nothing ordered in this browser yet.</p>${linkButton({ label: "Go to the shop", href: "/" })}`,
    );
  }
  return panel(
    html`<h1>Orders</h1><ul class="orders">${orders.map(
      (order) => html`<li><a href="/orders/${order.id}"><span><span class="name">${order.id}</span>
<span class="detail">${order.createdAt.toISOString().slice(0, 16).replace("T", " ")} UTC${order.bankName !== null && html` · ${order.bankName}`}</span></span>
<span class="end"><span class="name">${cad(order.totalMinor)}</span>${badge(stateWords[order.state].label, stateWords[order.state].kind)}</span></a></li>`,
    )}</ul>`,
  );
}
