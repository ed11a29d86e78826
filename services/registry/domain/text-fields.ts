import { DomainError } from "../../platform/errors/domain-error.ts";

const nameLengthMax = 120;
const identifierPattern = /^[A-Za-z0-9._-]{1,64}$/;

function refuse(why: string): never {
  throw new DomainError("INVALID_ARGUMENT", { why });
}

/** A name for people: 1 to 120 characters, trimmed, without control characters. */
export function parseName(text: string, field = "name"): string {
  const name = text.trim();
  if (name === "" || name.length > nameLengthMax) refuse(`${field} needs 1 to ${nameLengthMax} characters`);
  if (/\p{Cc}/u.test(name)) refuse(`${field} must not hold control characters`);
  return name;
}

/** The id of a merchant or OAuth client: 1 to 64 of letters, digits, `-`, `_` and `.`. */
export function parseIdentifier(text: string, field: string): string {
  if (!identifierPattern.test(text)) refuse(`${field} needs 1 to 64 letters, digits, "-", "_" or "."`);
  return text;
}

/** A list without repeats, each item matching; order kept. */
export function parseList(
  items: readonly string[],
  options: { readonly field: string; readonly pattern: RegExp; readonly itemsMax: number },
): string[] {
  if (items.length > options.itemsMax) refuse(`${options.field} has more than ${options.itemsMax} items`);
  if (!items.every((item) => options.pattern.test(item))) refuse(`${options.field} holds an item of the wrong form`);
  return [...new Set(items)];
}

/** `active` or `inactive`; undefined when absent. */
export function parseStatus(text: string | undefined): "active" | "inactive" | undefined {
  if (text === undefined || text === "") return undefined;
  if (text !== "active" && text !== "inactive") refuse('status must be "active" or "inactive"');
  return text;
}
