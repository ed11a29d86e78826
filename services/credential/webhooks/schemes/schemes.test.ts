import { describe, expect, it } from "vitest";
import { type RawWebhook, WebhookRefused } from "../../connectors/webhook-reader.ts";
import { type SchemeKit, schemeKits, webhookPath } from "../testing/scheme-kits.ts";

const now = new Date("2026-11-26T12:00:00.000Z");
const call = { now, timeoutMs: 1_000 };
const bodySentAt = (at: Date, more = "") => Buffer.from(`{ "sent_at": "${at.toISOString()}", "id":"e1"${more} }`);

async function outcome(kit: SchemeKit, change: Partial<RawWebhook> & { signed?: Buffer; at?: Date } = {}) {
  const at = change.at ?? now;
  const body = change.signed ?? bodySentAt(at);
  const headers = await kit.sign(body, at);
  return refusal(kit, { body, headers, path: webhookPath, receivedAt: now, ...change });
}

async function refusal(kit: SchemeKit, request: RawWebhook): Promise<string> {
  try {
    await kit.scheme(request, call);
    return "taken";
  } catch (error) {
    if (error instanceof WebhookRefused) return error.reason;
    throw error;
  }
}

/** What was changed may be found at the signature or at the digest it covers. */
const changed = expect.stringMatching(/^(signature_wrong|body_changed)$/);

describe.each(schemeKits())("$name", (kit) => {
  it("takes what its provider signed, bytes beyond ASCII and all", async () => {
    expect(await outcome(kit)).toBe("taken");
    expect(await outcome(kit, { signed: bodySentAt(now, ',"name":"Zoë 🐝"') })).toBe("taken");
  });

  it("takes the same webhook again while it is fresh", async () => {
    const body = bodySentAt(now);
    const request = { body, headers: await kit.sign(body, now), path: webhookPath, receivedAt: now };
    expect(await refusal(kit, request)).toBe("taken");
    expect(await refusal(kit, request)).toBe("taken");
  });

  it("refuses a body with one bit, one blank or one byte changed", async () => {
    const signed = bodySentAt(now);
    const flipped = Buffer.from(signed);
    flipped[flipped.length - 4] = (flipped.at(-4) ?? 0) ^ 1;
    const compact = Buffer.from(JSON.stringify(JSON.parse(signed.toString())));
    for (const body of [
      flipped,
      compact,
      Buffer.concat([signed, Buffer.from("\n")]),
      signed.subarray(1),
      Buffer.of(),
    ]) {
      expect(await outcome(kit, { signed, body })).toEqual(changed);
    }
  });

  it("refuses bytes that are no text and read as the signed text", async () => {
    const signed = bodySentAt(now, ',"x":"\ufffd"');
    const at = signed.indexOf(Buffer.from("\ufffd"));
    const body = Buffer.concat([signed.subarray(0, at), Buffer.of(0xff), signed.subarray(at + 3)]);
    expect(body.toString("utf8")).toBe(signed.toString("utf8"));
    expect(await outcome(kit, { signed, body })).toEqual(changed);
  });

  it("refuses another's key", async () => {
    const body = bodySentAt(now);
    const request = { body, path: webhookPath, receivedAt: now };
    expect(await refusal(kit, { ...request, headers: await kit.forge(body, now) })).toBe("signature_wrong");
  });

  it("refuses one without a signature, or with junk for one", async () => {
    expect(await outcome(kit, { headers: {} })).toBe("signature_missing");
    const names = Object.keys(await kit.sign(bodySentAt(now), now)).filter((name) => !name.includes("timestamp"));
    for (const junk of ["x", "sha256=", "v1", "v1,", "..", "a.b.c", "é", "0".repeat(64), "A".repeat(200_000)]) {
      const headers = { ...(await kit.sign(bodySentAt(now), now)), ...Object.fromEntries(names.map((n) => [n, junk])) };
      expect(await outcome(kit, { headers }), junk.slice(0, 20)).toMatch(/^signature_(wrong|malformed|missing)$/);
    }
  });

  it("refuses one signed over five minutes ago, or over five minutes from now", async () => {
    const minutes = async (count: number) => outcome(kit, { at: new Date(now.getTime() + count * 60_000) });
    expect(await minutes(-4.9)).toBe("taken");
    expect(await minutes(4.9)).toBe("taken");
    expect(await minutes(-5.1)).toBe("stale");
    expect(await minutes(5.1)).toBe("stale");
  });

  it("refuses a recorded one with its time made new", async () => {
    const old = new Date(now.getTime() - 3_600_000);
    const body = bodySentAt(old);
    const recorded = await kit.sign(body, old);
    const fresh = await kit.sign(bodySentAt(now), now);
    const headers = Object.fromEntries(
      Object.entries(recorded).map(([name, value]) => [name, name.includes("timestamp") ? (fresh[name] ?? "") : value]),
    );
    const result = await refusal(kit, { body, headers, path: webhookPath, receivedAt: now });
    expect(result).toBe(Object.keys(headers).some((name) => name.includes("timestamp")) ? "signature_wrong" : "stale");
  });

  it("proves a megabyte", async () => {
    const signed = bodySentAt(now, `,"x":"${"y".repeat(1024 * 1024)}"`);
    expect(await outcome(kit, { signed })).toBe("taken");
  });
});
