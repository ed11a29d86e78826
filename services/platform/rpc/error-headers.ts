import type { TranslatedError } from "../errors/error-table.ts";

/** The longest JSON that `x-error-members` may carry. */
const membersBytesMax = 2_048;

/**
 * What tells the gateway how a failed call looks in REST: the HTTP status, the `error` word and further members. gRPC and
 * Connect clients read the word from `x-error-code` too.
 */
export function errorHeaders(error: TranslatedError): readonly (readonly [name: string, value: string])[] {
  const headers: [string, string][] = [
    ["x-http-status", String(error.http)],
    ["x-error-code", asciiText(error.error)],
  ];
  if (Object.keys(error.members).length > 0) {
    const members = asciiJson(error.members);
    if (members.length <= membersBytesMax) headers.push(["x-error-members", members]);
  }
  // RFC 9110, 10.2.3: what the body says in words of ours, for clients that know only HTTP.
  const retryAfter = error.members["retryAfterSeconds"];
  if (typeof retryAfter === "number") headers.push(["retry-after", String(Math.ceil(retryAfter))]);
  return headers;
}

/** JSON whose every character fits a header. */
function asciiJson(value: unknown): string {
  return JSON.stringify(value).replace(
    /[\u007f-\uffff]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

function asciiText(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, "?");
}
