import type { KoaContextWithOIDC } from "oidc-provider";
import type { Brand } from "../pages/brand.ts";
import { actions, panel } from "../pages/components.ts";
import { html, raw } from "../pages/html.ts";
import { type Page, page } from "../pages/layout.ts";
import { messagePage } from "../pages/messages.ts";
import { type FormTarget, pageHeaders } from "../pages/security-headers.ts";

/** Answers from inside the OIDC server with one of our pages. */
export function showProviderPage(ctx: KoaContextWithOIDC, shown: Page, formTarget: FormTarget): void {
  ctx.set(pageHeaders(shown, formTarget));
  ctx.body = shown.text;
}

/** For `renderError`: what a person sees when the request cannot go back to who sent them. */
export function showProviderError(brand: Brand, ctx: KoaContextWithOIDC, error: { readonly error: string }): void {
  const expired = error.error === "invalid_request" && ctx.path.split("/").length > 2;
  const text = expired
    ? "This sign-in has expired or was finished in another tab. Go back to where you came from and start again."
    : error.error === "server_error"
      ? "Something went wrong on our side. Please try again in a moment."
      : "The site that sent you here asked for something that is not possible. Go back to it and try again.";
  showProviderPage(
    ctx,
    messagePage({ brand, kind: "error", title: "That did not work", text, reference: error.error }),
    "none",
  );
}

/** For `logoutSource`: asks before signing out. `form` is the server's own, with its token in it. */
export function showLogoutQuestion(brand: Brand, ctx: KoaContextWithOIDC, form: string): void {
  const body = panel(
    html`<h1>Sign out of ${brand.name}?</h1><p class="lead">Wallets you have connected stay connected.</p>${raw(form)}${actions(
      [
        html`<button class="button" type="submit" form="op.logoutForm" name="logout" value="yes">Sign out</button>`,
        html`<button class="button secondary" type="submit" form="op.logoutForm">Stay signed in</button>`,
      ],
    )}`,
  );
  showProviderPage(ctx, page({ title: "Sign out", brand, body }), "elsewhere");
}

/** For `postLogoutSuccessSource`. */
export function showSignedOut(brand: Brand, ctx: KoaContextWithOIDC): void {
  showProviderPage(
    ctx,
    messagePage({ brand, kind: "success", title: "Signed out", text: `You are signed out of ${brand.name}.` }),
    "none",
  );
}
