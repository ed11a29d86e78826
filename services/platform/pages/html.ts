/** Text that is already HTML. Made by `html` and `raw` alone, so a plain string can never pass for it. */
export class SafeHtml {
  readonly text: string;

  /** @internal use `html` or `raw` */
  constructor(text: string) {
    this.text = text;
  }

  toString(): string {
    return this.text;
  }
}

/** What may stand in an `html` template; `undefined`, `null` and booleans print nothing, so `condition && html...` works. */
export type HtmlValue = SafeHtml | string | number | bigint | boolean | null | undefined | readonly HtmlValue[];

/**
 * Template tag that escapes every value for element content and for attributes in double quotes (unquoted attributes are
 * not safe, do not write them). Lists are joined without a separator.
 */
export function html(parts: TemplateStringsArray, ...values: readonly HtmlValue[]): SafeHtml {
  let text = parts[0] ?? "";
  values.forEach((value, index) => {
    text += print(value) + (parts[index + 1] ?? "");
  });
  return new SafeHtml(text);
}

/** Marks text of our own (a style, an icon) as HTML. Never give it anything a request or a database brought. */
export function raw(text: string): SafeHtml {
  return new SafeHtml(text);
}

/** Escapes text for element content and quoted attributes. */
export function escapeHtml(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;")
    .replaceAll("'", "&#39;");
}

function print(value: HtmlValue): string {
  if (value instanceof SafeHtml) return value.text;
  if (value === undefined || value === null || typeof value === "boolean") return "";
  if (typeof value === "string") return escapeHtml(value);
  if (typeof value === "number" || typeof value === "bigint") return String(value);
  return value.map(print).join("");
}
