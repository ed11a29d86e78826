import { z } from "zod";
import type { Transaction } from "../../platform/db/transaction.ts";
import { uuidv7 } from "../../platform/ids/uuidv7.ts";
import { addJob } from "../../platform/jobs/worker.ts";
import type { SealedBox } from "../../platform/vault/sealed-box.ts";
import { insertMail } from "../storage/mail-store.ts";
import type { WalletTables } from "../storage/tables.ts";
import type { WalletDeps } from "./wallet-deps.ts";

/** The job that sends one mail; payload `{mailId}`. */
export const sendMailTask = "send_mail";

const mailShape = z.object({ to: z.string(), subject: z.string(), text: z.string() });
const attemptsMax = 10;

/** A mail as it is sent. */
export type Mail = z.infer<typeof mailShape>;

/**
 * Stores a mail and the job that sends it in the caller's transaction, sealed. With `deliver` false everything happens but
 * the sending. After `expiresAt` it is not sent any more.
 */
export async function queueMail(
  deps: Pick<WalletDeps, "box" | "clock">,
  tx: Transaction<WalletTables>,
  mail: Mail & { readonly deliver: boolean; readonly expiresAt: Date },
): Promise<void> {
  const now = deps.clock.now();
  const mailId = uuidv7(now.getTime());
  const { to, subject, text, deliver, expiresAt } = mail;
  const sealed = deps.box.seal(JSON.stringify({ to, subject, text }), associatedData(mailId));
  await insertMail(tx, { mailId, sealed, deliver, expiresAt, now });
  await addJob(tx, sendMailTask, { mailId }, { maxAttempts: attemptsMax });
}

/** Opens a stored mail. Throws when it was not sealed for this row. */
export function openMail(box: SealedBox, mailId: string, sealed: Buffer): Mail {
  return mailShape.parse(JSON.parse(box.open(sealed, associatedData(mailId)).toString("utf8")));
}

function associatedData(mailId: string): string {
  return `outgoing_mail:${mailId}`;
}
