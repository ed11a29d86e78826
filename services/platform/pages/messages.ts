import type { Brand } from "./brand.ts";
import { alert, panel } from "./components.ts";
import { html, type SafeHtml } from "./html.ts";
import { type Page, page } from "./layout.ts";

/** A page that says one thing: an error, or that something is done. `reference` helps support find the request in the log. */
export function messagePage(options: {
  readonly brand: Brand;
  readonly kind: "info" | "success" | "warning" | "error";
  readonly title: string;
  readonly text: string;
  readonly reference?: string;
  readonly next?: SafeHtml;
}): Page {
  return page({
    title: options.title,
    brand: options.brand,
    body: panel(
      html`<h1>${options.title}</h1>${alert({ kind: options.kind, text: options.text })}${options.next}${
        options.reference !== undefined && html`<p class="hint">Reference ${options.reference}</p>`
      }`,
    ),
  });
}
