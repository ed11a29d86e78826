import { createHash } from "node:crypto";
import { SignJWT } from "jose";
import type { SigningMoment } from "../kit/jobs/send-webhooks.ts";
import { foreignKey, type WebhookKeys } from "../kit/webhook-keys.ts";
import type { SignatureMode } from "./domain/settings.ts";

const staleSeconds = 10 * 60;

/** Plaid sends again after 30 seconds, then after pauses four times as long each, for a day. */
export const webhookSchedule = Object.freeze({
  factor: 4,
  pauseMaxMs: 24 * 60 * 60 * 1000,
  jitterShare: 0,
  lifetimeMs: 24 * 60 * 60 * 1000,
});

/** `Plaid-Verification`: a JWT by ES256 with `iat` and the SHA-256 of the body in hex; or a wrong one, or none. */
export async function verificationHeader(
  keys: WebhookKeys,
  body: string,
  { now, signature }: SigningMoment<SignatureMode>,
): Promise<Record<string, string>> {
  if (signature === "missing") return {};
  const { kid, publicKey, privateKey } = await keys.current();
  const signed = signature === "wrong_body" ? `${body} ` : body;
  const iat = Math.floor(now.getTime() / 1000) - (signature === "stale" ? staleSeconds : 0);
  const token = new SignJWT({ request_body_sha256: createHash("sha256").update(signed).digest("hex") });
  token.setIssuedAt(iat);
  if (signature === "wrong_algorithm") {
    // The classic confusion: a symmetric signature by what the receiver knows of the public key.
    const secret = new TextEncoder().encode(JSON.stringify(publicKey));
    return named(await token.setProtectedHeader({ alg: "HS256", kid, typ: "JWT" }).sign(secret));
  }
  const key = signature === "wrong_key" ? foreignKey("prime256v1") : privateKey;
  return named(await token.setProtectedHeader({ alg: "ES256", kid, typ: "JWT" }).sign(key));
}

function named(token: string): Record<string, string> {
  return { "plaid-verification": token };
}
