import type { Page } from "./layout.ts";

/** Where a page's forms may lead. */
export type FormTarget =
  /** Answered by this origin: `form-action 'self'`. */
  | "self"
  /**
   * Ends in a redirect to another origin (OIDC). Browsers check `form-action` against the whole redirect chain, so the
   * directive is left out; the CSRF token in the form and the checked redirect URIs stand in for it.
   */
  | "elsewhere"
  /** The page has no form. */
  | "none";

/** Headers of an HTML page: nothing loads but its own style, nobody frames it, nothing is cached. */
export function pageHeaders(page: Page, formTarget: FormTarget): Readonly<Record<string, string>> {
  const formAction = { self: "; form-action 'self'", none: "; form-action 'none'", elsewhere: "" }[formTarget];
  return {
    "content-type": "text/html; charset=utf-8",
    "content-security-policy": `default-src 'none'; style-src ${page.styleSource}; img-src data:; base-uri 'none'; frame-ancestors 'none'${formAction}`,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    // A page's address may carry an interaction id; other origins get none of it.
    "referrer-policy": "same-origin",
    "cache-control": "no-store",
  };
}
