import { type Brand, checkBrand } from "./brand.ts";
import { html, raw, SafeHtml } from "./html.ts";
import { stylesheetFor } from "./stylesheet.ts";

/** A whole document, and the style its content security policy must let through. */
export class Page extends SafeHtml {
  readonly styleSource: string;

  /** @internal use `page` */
  constructor(text: string, styleSource: string) {
    super(text);
    this.styleSource = styleSource;
  }
}

/** Options of `page`. */
export interface PageOptions {
  /** Of the document; the brand's name follows it. The visible heading is the body's own `<h1>`. */
  readonly title: string;
  readonly body: SafeHtml;
  readonly brand: Brand;
  /** Room for tables instead of one narrow column. */
  readonly wide?: boolean;
  /** Small print at the end. */
  readonly footer?: SafeHtml | string;
  /** Links or a signed-in name at the end of the site's head. */
  readonly navigation?: SafeHtml;
}

/** The document every page of the product is made of. Needs no script, no font and no file beside itself. */
export function page(options: PageOptions): Page {
  const brand = checkBrand(options.brand);
  const style = stylesheetFor(brand);
  const width = options.wide === true ? "wide" : "";
  const document = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<meta name="theme-color" content="${brand.color}">
<title>${options.title} · ${brand.name}</title>
<link rel="icon" href="data:,">
<style>${raw(style.css)}</style>
</head>
<body>
<a class="skip" href="#main">Skip to content</a>
<header class="site ${width}"><span class="mark" aria-hidden="true">${initials(brand.name)}</span><span class="site-name">${brand.name}</span>${options.navigation}</header>
<main id="main" class="${width}">${options.body}</main>
${options.footer !== undefined && html`<footer>${options.footer}</footer>`}
</body>
</html>`;
  return new Page(document.text, style.source);
}

/** Up to two initials of a name, for the mark beside it. */
export function initials(name: string): string {
  const words = name.split(/\s+/).filter((word) => /^[\p{L}\p{N}]/u.test(word));
  return words
    .slice(0, 2)
    .map((word) => [...word][0]?.toUpperCase() ?? "")
    .join("");
}
