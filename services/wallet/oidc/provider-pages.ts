import type { errors, KoaContextWithOIDC } from "oidc-provider";
import { alert, linkButton, panel } from "../../platform/pages/components.ts";
import { html, raw } from "../../platform/pages/html.ts";
import { type Page, page } from "../../platform/pages/layout.ts";
import { type FormTarget, pageHeaders } from "../../platform/pages/security-headers.ts";
import { walletBrand } from "../http/wallet-brand.ts";

function send(ctx: KoaContextWithOIDC, document: Page, formTarget: FormTarget): void {
  for (const [name, value] of Object.entries(pageHeaders(document, formTarget))) ctx.set(name, value);
  ctx.body = document.text;
}

/** What a person sees when an authorisation request cannot be answered to its client: an unknown client, a wrong address. */
export function providerErrorPage(ctx: KoaContextWithOIDC, out: errors.OIDCProviderError | { error: string }): void {
  const expired = ctx.oidc?.route === "resume";
  const text = expired
    ? "This payment page is no longer open. Go back to the shop and start the payment again. Nothing was charged."
    : "The shop’s request could not be understood, so nothing was started and nothing was charged. Go back to the shop and try again.";
  const body = panel(
    html`<h1>This payment cannot start</h1>${alert({ kind: "error", text })}<p class="hint">Code ${out.error}</p>`,
  );
  send(ctx, page({ title: "Payment problem", brand: walletBrand, body }), "none");
}

/** Asks before signing out. `form` is the provider's own, with its token. */
export function logoutPage(ctx: KoaContextWithOIDC, form: string): void {
  const body =
    panel(html`<h1>Sign out of your wallet?</h1><p class="lead">You can sign in again at any time.</p>${raw(form)}
<div class="actions"><button type="submit" class="button primary" form="op.logoutForm" name="logout" value="yes">Sign out</button>
<button type="submit" class="button secondary" form="op.logoutForm">Stay signed in</button></div>`);
  send(ctx, page({ title: "Sign out", brand: walletBrand, body }), "elsewhere");
}

/** After signing out without an address to go to. */
export function logoutSuccessPage(ctx: KoaContextWithOIDC, appUrl: string): void {
  const body = panel(html`<h1>Signed out</h1><p class="lead">You are signed out of your wallet on this device.</p>
${linkButton({ label: "Open the wallet", href: `${appUrl}/wallet`, kind: "secondary" })}`);
  send(ctx, page({ title: "Signed out", brand: walletBrand, body }), "none");
}
