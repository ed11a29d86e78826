import type { Brand } from "./brand.ts";
import { linkButton } from "./components.ts";
import type { Page } from "./layout.ts";
import { type Message, messagePage } from "./messages.ts";

/** What went wrong, as an edge has translated it. */
export interface PageError {
  readonly reason: string;
  readonly status: number;
  readonly message: string;
  readonly requestId: string;
}

/** What an error page may say beside the error. */
export interface ErrorPageMore {
  /** Where a person can go on: a path of this origin. */
  readonly wayOn?: { readonly label: string; readonly href: string };
  /** Said of an address without a page, after that it has none: where this site's pages are. */
  readonly whereabouts?: string;
}

/** For an address that has no page. */
export const noPageWords = "There is no page at this address.";

/** Tells a person of an error. */
export function errorPage(brand: Brand, error: PageError, more: ErrorPageMore = {}): Page {
  return messagePage({ brand, ...errorMessage(error, more) });
}

/** An error in words. An address without a page is told as that; only what support can look up has a reference. */
export function errorMessage(error: PageError, more: ErrorPageMore = {}): Message {
  const next = more.wayOn === undefined ? {} : { next: linkButton(more.wayOn) };
  if (error.reason === "NOT_FOUND" || error.reason === "METHOD_NOT_ALLOWED") {
    const text = more.whereabouts === undefined ? noPageWords : `${noPageWords} ${more.whereabouts}`;
    return { kind: "info", title: "Page not found", text, ...next };
  }
  const title = error.status === 404 ? "Not found" : "That did not work";
  return { kind: "error", title, text: error.message, reference: error.requestId, ...next };
}
