import { createHash } from "node:crypto";

type Json = Record<string, unknown>;

/** What a person is told by the gateway itself, by HTTP status; other statuses are met by programs alone. */
const pages: ReadonlyMap<number, { readonly title: string; readonly text: string }> = new Map([
  [404, { title: "Page not found", text: "There is no page at this address." }],
  [429, { title: "Too many requests", text: "Please wait a moment and try again." }],
  [502, { title: "Not available right now", text: "Please try again in a moment." }],
  [503, { title: "Not available right now", text: "Please try again in a moment." }],
  [504, { title: "Not available right now", text: "Please try again in a moment." }],
]);

// No percent sign anywhere in the page: Envoy would take it for the beginning of a command.
const css = [
  ":root{color-scheme:light dark}body{max-width:32rem;margin:15vh auto;padding:0 1rem;font:16px/1.5 system-ui,sans-serif}",
  "h1{font-size:1.5rem;line-height:1.25}",
].join("");
const styleSource = `'sha256-${createHash("sha256").update(css).digest("base64")}'`;
const headers: Readonly<Record<string, string>> = {
  "cache-control": "no-store",
  "content-security-policy": `default-src 'none'; style-src ${styleSource}; img-src data:; base-uri 'none'; frame-ancestors 'none'; form-action 'none'`,
  "x-content-type-options": "nosniff",
};

/** The mapper that answers browsers with a page, where there is one for the status. `isStatus` is the filter for the status. */
export function renderLocalPage(status: number, isStatus: Json): Json[] {
  const page = pages.get(status);
  if (page === undefined) return [];
  // Browsers ask for a document with text/html first; a program that takes anything is no browser.
  const isBrowser = { header_filter: { header: { name: "accept", string_match: { prefix: "text/html" } } } };
  return [
    {
      filter: { and_filter: { filters: [isStatus, isBrowser] } },
      headers_to_add: Object.entries(headers).map(([key, value]) => ({
        header: { key, value },
        append_action: "OVERWRITE_IF_EXISTS_OR_ADD",
      })),
      body_format_override: {
        text_format_source: { inline_string: documentOf(page) },
        content_type: "text/html; charset=utf-8",
      },
    },
  ];
}

function documentOf({ title, text }: { readonly title: string; readonly text: string }): string {
  return [
    '<!doctype html><html lang="en"><head><meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="robots" content="noindex">',
    `<title>${title}</title><link rel="icon" href="data:,"><style>${css}</style></head>`,
    `<body><main><h1>${title}</h1><p>${text}</p></main></body></html>`,
  ].join("");
}
