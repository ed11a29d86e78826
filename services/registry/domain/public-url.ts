import { DomainError } from "../../platform/errors/domain-error.ts";
import { isPrivateHost } from "./private-address.ts";

const urlLengthMax = 500;

/** `local` lets plain http and private addresses in; `production` asks for https and public hosts. */
export type UrlRules = "local" | "production";

/**
 * Checks a URL that other participants will call or send people to. The text is kept as given (an OIDC issuer is compared
 * character by character), but for trailing slashes where `base` says that paths are appended.
 * @throws DomainError INVALID_ARGUMENT naming the field; the value is not repeated.
 */
export function parsePublicUrl(
  text: string,
  options: { readonly field: string; readonly rules: UrlRules; readonly base?: boolean; readonly query?: boolean },
): string {
  const why = whyNot(text, options);
  if (why !== undefined) throw new DomainError("INVALID_ARGUMENT", { why: `${options.field} ${why}` });
  return options.base ? text.replace(/\/+$/, "") : text;
}

function whyNot(text: string, options: { rules: UrlRules; query?: boolean }): string | undefined {
  if (text.length > urlLengthMax) return `is longer than ${urlLengthMax} characters`;
  // Control characters and spaces are dropped by the parser, so that the text kept would not be the URL checked.
  if (!/^[\x21-\x7e]+$/.test(text) || text.includes("\\") || !URL.canParse(text)) return "is not an absolute URL";
  const url = new URL(text);
  if (url.protocol !== "https:" && url.protocol !== "http:") return "is neither https nor http";
  if (url.username !== "" || url.password !== "") return "must not hold credentials";
  if (text.includes("#")) return "must not have a fragment";
  if (text.includes("?") && !options.query) return "must not have a query";
  if (options.rules === "local") return undefined;
  if (url.protocol !== "https:") return "must be https";
  if (isPrivateHost(url.hostname)) return "must not be a private address";
  return undefined;
}
