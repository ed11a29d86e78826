import { DomainError } from "../../platform/errors/domain-error.ts";

const lengthMax = 4096;

/** A push service's name for one installation: opaque, visible ASCII, at most 4096 characters. Throws `INVALID_ARGUMENT`. */
export function parsePushToken(text: string): string {
  if (text.length <= lengthMax && /^[\x21-\x7e]+$/.test(text)) return text;
  throw new DomainError("INVALID_ARGUMENT", { why: "pushToken is not one" });
}

/** `apns`, `fcm` or `expo`; `expo` when absent. Throws `INVALID_ARGUMENT`. */
export function parsePushTokenType(text: string | undefined): "apns" | "fcm" | "expo" {
  if (text === undefined || text === "") return "expo";
  if (text === "apns" || text === "fcm" || text === "expo") return text;
  throw new DomainError("INVALID_ARGUMENT", { why: "tokenType must be apns, fcm or expo" });
}
