import { DomainError } from "../../platform/errors/domain-error.ts";

const nameLengthMax = 100;
const deviceIdLengthMax = 128;
const deviceNameLengthMax = 100;

/** A person's name: trimmed, 1 to 100 characters, no control characters. Throws `INVALID_ARGUMENT`. */
export function parsePersonName(text: string): string {
  const name = text.trim().normalize("NFC");
  if (name.length < 1 || name.length > nameLengthMax || /\p{Cc}/u.test(name)) {
    throw new DomainError("INVALID_ARGUMENT", { why: `A name has 1 to ${nameLengthMax} characters` });
  }
  return name;
}

/** The id a phone gave itself: 1 to 128 visible ASCII characters. Throws `INVALID_ARGUMENT`. */
export function parseDeviceId(text: string): string {
  if (text.length > deviceIdLengthMax || !/^[\x21-\x7e]+$/.test(text)) {
    throw new DomainError("INVALID_ARGUMENT", { why: "deviceId has 1 to 128 visible characters" });
  }
  return text;
}

/** `ios` or `android`. Throws `INVALID_ARGUMENT`. */
export function parsePlatform(text: string): "ios" | "android" {
  if (text === "ios" || text === "android") return text;
  throw new DomainError("INVALID_ARGUMENT", { why: "platform must be ios or android" });
}

/** What a phone calls itself: control characters dropped, cut to 100 characters. */
export function tidyDeviceName(text: string): string {
  return text
    .replace(/\p{Cc}/gu, "")
    .trim()
    .slice(0, deviceNameLengthMax);
}

/** First and last name for a form that wants both: the last word is the last name, empty when there is one word. */
export function splitName(name: string): { readonly firstName: string; readonly lastName: string } {
  const words = name.split(/\s+/).filter((word) => word !== "");
  if (words.length < 2) return { firstName: words[0] ?? "", lastName: "" };
  return { firstName: words.slice(0, -1).join(" "), lastName: words.at(-1) ?? "" };
}
