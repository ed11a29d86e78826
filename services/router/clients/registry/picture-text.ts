import { z } from "zod";
import type { PictureRows } from "./registry-picture.ts";

const pictureForm = z.object({
  banks: z.array(
    z.object({
      bankId: z.string(),
      name: z.string(),
      apiBaseUrl: z.string(),
      issuer: z.string(),
      apiKey: z.string(),
      status: z.enum(["active", "inactive", "maintenance"]),
      healthy: z.boolean(),
      idempotency: z.boolean(),
      voidByKey: z.boolean(),
    }),
  ),
  merchants: z.array(
    z.object({
      merchantId: z.string(),
      keys: z.array(z.object({ keyId: z.string(), hashHex: z.string() })),
    }),
  ),
});

/** Writes a picture as text, to be sealed: it holds the keys banks gave us. */
export function writePicture(rows: PictureRows): string {
  return JSON.stringify(rows);
}

/**
 * Reads a picture an earlier process kept. A bank counts as healthy again: how it was then says nothing of now.
 * Throws when the text is of another form.
 */
export function readPicture(text: string): PictureRows {
  const rows = pictureForm.parse(JSON.parse(text));
  return { ...rows, banks: rows.banks.map((bank) => ({ ...bank, healthy: true })) };
}
