import { Webhook } from "standardwebhooks";
import { expect, it } from "vitest";
import { createStandardWebhooksScheme } from "./standard-webhooks-scheme.ts";

const now = new Date("2026-11-26T12:00:00.000Z");
const call = { now, timeoutMs: 1_000 };
const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const seconds = String(now.getTime() / 1000);

function request(id: string, body: string, given: { signature?: string; timestamp?: string } = {}) {
  const signature = given.signature ?? new Webhook(secret).sign(id, now, body);
  const headers = {
    "webhook-id": id,
    "webhook-timestamp": given.timestamp ?? seconds,
    "webhook-signature": signature,
  };
  return { body: Buffer.from(body), headers, path: "/", receivedAt: now };
}

it("takes one good signature among several of other versions and keys, and a second secret", async () => {
  const scheme = createStandardWebhooksScheme({ secrets: ["whsec_b3RoZXIgc2VjcmV0IG9mIHVz", secret] });
  const good = new Webhook(secret).sign("m1", now, "{}");
  await scheme(request("m1", "{}", { signature: `v1a,xyz v2,abc ${good}` }), call);
});

it("does not look through a list without end", async () => {
  const scheme = createStandardWebhooksScheme({ secrets: [secret] });
  const good = new Webhook(secret).sign("m1", now, "{}");
  const signature = `${"v1,x ".repeat(10)}${good}`;
  await expect(scheme(request("m1", "{}", { signature }), call)).rejects.toMatchObject({ reason: "signature_wrong" });
});

it("refuses an id over which parts of the signed text could be moved", async () => {
  const scheme = createStandardWebhooksScheme({ secrets: [secret] });
  const signature = new Webhook(secret).sign("m1", now, `${seconds}.{}`);
  const moved = request(`m1.${seconds}`, "{}", { signature });
  await expect(scheme(moved, call)).rejects.toMatchObject({ reason: "signature_malformed" });
});

it("refuses a time the library would read out of junk", async () => {
  const scheme = createStandardWebhooksScheme({ secrets: [secret] });
  const junk = request("m1", "{}", { timestamp: `${seconds}abc` });
  await expect(scheme(junk, call)).rejects.toMatchObject({ reason: "signature_malformed" });
});
