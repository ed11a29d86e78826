import type { Brand } from "./brand.ts";
import { alert, panel } from "./components.ts";
import { html, type SafeHtml } from "./html.ts";
import { type Page, page } from "./layout.ts";

/** One thing to say: an error, or that something is done. `reference` helps support find the request in the log. */
export interface Message {
  readonly kind: "info" | "success" | "warning" | "error";
  readonly title: string;
  readonly text: string;
  readonly reference?: string;
  readonly next?: SafeHtml;
}

/** A page that says one thing. */
export function messagePage({ brand, ...message }: Message & { readonly brand: Brand }): Page {
  return page({ title: message.title, brand, body: messageView(message) });
}

/** The same for the body of a page that has more around it. */
export function messageView({ kind, title, text, reference, next }: Message): SafeHtml {
  return panel(
    html`<h1>${title}</h1>${alert({ kind, text })}${next}${
      reference !== undefined && html`<p class="hint reference">Reference ${reference}</p>`
    }`,
  );
}
