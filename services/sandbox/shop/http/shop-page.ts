import type { Brand } from "../../../platform/pages/brand.ts";
import { html, type SafeHtml } from "../../../platform/pages/html.ts";
import { type Page, page } from "../../../platform/pages/layout.ts";
import { withStyle } from "../../../platform/pages/with-style.ts";

// What a shelf needs beside the shared design: a grid, a picture, and the head's links at the far end.
const shelfStyle = [
  ".site nav{flex:none;margin-left:auto;display:flex;gap:.75rem}.site nav a{text-decoration:none;font-weight:600;white-space:nowrap}",
  ".shelf{display:grid;gap:1rem;grid-template-columns:repeat(auto-fill,minmax(min(100%,14rem),1fr));list-style:none;padding:0;margin:0}",
  ".shelf .panel+.panel,.shelf .panel{margin:0;display:flex;flex-direction:column;padding:1.25rem}",
  ".picture{display:grid;place-items:center;aspect-ratio:4/3;border-radius:.875rem;background:var(--tint);font-size:3.5rem;margin-bottom:1rem}",
  ".shelf h2{margin:0 0 .25rem;font-size:1.0625rem}.shelf p{color:var(--soft);font-size:.9375rem;flex:1}",
  ".picture svg{width:5rem;height:5rem;color:var(--accent)}.line .picture svg{width:2.25rem;height:2.25rem}.buy .button{white-space:nowrap}",
  ".panel form:last-child>:last-child{margin-bottom:0}.desk .hint{margin-bottom:1rem}",
  ".price{font-weight:700;font-size:1.125rem;font-variant-numeric:tabular-nums;color:var(--ink)}",
  ".buy{display:flex;align-items:center;justify-content:space-between;gap:.5rem;flex-wrap:wrap}.buy form{margin:0}",
  ".line{display:flex;gap:.875rem;align-items:center;padding:.875rem 0;border-bottom:1px solid var(--line)}",
  ".line .picture{flex:none;width:3.5rem;aspect-ratio:1;font-size:1.75rem;margin:0}.line .text{flex:1;min-width:0}",
  ".line .name{display:block;font-weight:600}.line .detail{display:block;color:var(--soft);font-size:.875rem}.line form{margin:0}",
  ".sum{display:flex;justify-content:space-between;font-weight:700;font-size:1.25rem;padding:1rem 0 0;font-variant-numeric:tabular-nums}",
  ".approved{text-align:center}.approved .mark-big{display:grid;place-items:center;width:4rem;height:4rem;border-radius:50%;margin:0 auto 1rem;",
  "background:var(--ok-bg);color:var(--ok);font-size:2rem;font-weight:800}.approved .mark-big.bad{background:var(--bad-bg);color:var(--bad)}",
  ".approved .mark-big.wait{background:var(--warn-bg);color:var(--warn)}.desk form{margin:0 0 .75rem}",
  ".orders{list-style:none;margin:0;padding:0}.orders a{display:flex;gap:1rem;align-items:center;justify-content:space-between;padding:1rem 0;",
  "border-bottom:1px solid var(--line);text-decoration:none;color:inherit}.orders li:last-child a{border-bottom:0}",
  ".orders .name{display:block;font-weight:600;font-variant-numeric:tabular-nums}.orders .detail{display:block;color:var(--soft);font-size:.875rem}",
  ".orders .end{flex:none;text-align:right}.or{text-align:center;color:var(--soft);font-size:.875rem;margin:1.5rem 0 .75rem}",
  "@media(max-width:40rem){.shelf .picture{aspect-ratio:2/1}}",
].join("");

/** Options of {@link shopPage}. */
export interface ShopPageOptions {
  readonly brand: Brand;
  readonly title: string;
  readonly body: SafeHtml;
  readonly wide?: boolean;
  /** Pieces in the cart, for the head. */
  readonly cartCount?: number;
}

/** A page of the shop: the shared design and the shelf's own style, both let through by their hashes. */
export function shopPage(options: ShopPageOptions): Page {
  const count = options.cartCount ?? 0;
  const document = page({
    title: options.title,
    brand: options.brand,
    wide: options.wide === true,
    body: options.body,
    navigation: html`<nav aria-label="Shop"><a href="/">Shop</a><a href="/orders">Orders</a><a href="/cart">Cart${count > 0 && html` (${count})`}</a></nav>`,
    footer: "A demonstration shop. Nothing is shipped and no real money moves.",
  });
  return withStyle(document, shelfStyle);
}
