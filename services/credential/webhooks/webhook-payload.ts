import { z } from "zod";
import type { RawWebhook } from "../connectors/webhook-reader.ts";

const shape = z.object({
  path: z.string(),
  headers: z.record(z.string(), z.string()),
  body: z.base64(),
});

/** A webhook as one text, to be sealed: its bytes survive exactly. */
export function writePayload(request: RawWebhook): string {
  const { path, headers, body } = request;
  return JSON.stringify({ path, headers, body: body.toString("base64") });
}

/** The webhook again. Throws for a text that `writePayload` did not make. */
export function readPayload(text: string, receivedAt: Date): RawWebhook {
  const { path, headers, body } = shape.parse(JSON.parse(text));
  return { path, headers, body: Buffer.from(body, "base64"), receivedAt };
}
