import { html, raw, type SafeHtml } from "../../../platform/pages/html.ts";

/** Line drawings by product id, on a square of 48. */
const lines: Readonly<Record<string, string>> = {
  "maple-syrup":
    '<path d="M19 6h10v5l5 8v20a3 3 0 0 1-3 3H17a3 3 0 0 1-3-3V19l5-8z"/><path d="M19 11h10"/><path d="M24 22l2 4 4-1-1 4 3 2-5 1-3 4-3-4-5-1 3-2-1-4 4 1z"/>',
  "wool-toque":
    '<circle cx="24" cy="9" r="4"/><path d="M9 32c0-11 6-19 15-19s15 8 15 19"/><rect x="7" y="32" width="34" height="9" rx="4"/><path d="M14 32v9M21 32v9M28 32v9M35 32v9"/>',
  "enamel-mug":
    '<path d="M10 15h24v21a5 5 0 0 1-5 5H15a5 5 0 0 1-5-5z"/><path d="M34 20h4a4 4 0 0 1 4 4v4a4 4 0 0 1-4 4h-4"/><path d="M17 10c0-3 3-3 3-6M25 10c0-3 3-3 3-6"/>',
  "canoe-paddle":
    '<path d="M8 40l22-22"/><path d="M28 14c4-6 9-9 13-8 1 4-2 9-8 13-2 2-7-3-5-5z"/><path d="M6 38l4 4"/>',
};

const parcel = '<rect x="8" y="14" width="32" height="26" rx="3"/><path d="M8 22h32M24 14v26"/>';

/** The drawing of a product, in the colour of the text around it; a parcel for one no longer sold. */
export function drawing(productId: string): SafeHtml {
  const path = lines[productId] ?? parcel;
  return html`<svg viewBox="0 0 48 48" fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" stroke-linejoin="round" focusable="false">${raw(path)}</svg>`;
}
