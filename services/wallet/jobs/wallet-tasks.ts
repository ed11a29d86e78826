import { z } from "zod";
import type { Task } from "../../platform/jobs/worker.ts";
import type { Mailer } from "../clients/mailer.ts";
import { openMail, sendMailTask } from "../flows/queue-mail.ts";
import { finishEnrolmentRemoval, finishRemovalTask } from "../flows/remove-enrolment.ts";
import { syncCards, syncCardsTask } from "../flows/store-cards.ts";
import { dropConnectionTask } from "../flows/store-consent.ts";
import type { WalletDeps } from "../flows/wallet-deps.ts";
import { isConnectionInUse } from "../storage/enrolments-store.ts";
import { deleteMail, findMail } from "../storage/mail-store.ts";

const disconnectTimeoutMs = 15_000;
const listCardsTimeoutMs = 12_000;

const mailPayload = z.object({ mailId: z.uuid() });
const enrolmentPayload = z.object({ userId: z.uuid(), enrolmentId: z.uuid() });
const dropPayload = z.object({ userId: z.uuid(), connectionId: z.string() });

/** Thrown to have the queue try again later: nothing is wrong here. */
class NotConfirmedYet extends Error {
  override readonly name = "NotConfirmedYet";
}

/** The tasks of the wallet's queue. Each may run twice and does no harm then; a mail may arrive twice after a crash. */
export function walletTasks(deps: WalletDeps, mailer: Mailer): Readonly<Record<string, Task>> {
  return {
    [sendMailTask]: async (payload, { signal }) => {
      const { mailId } = mailPayload.parse(payload);
      const mail = await findMail(deps.db.query, mailId);
      if (mail === undefined) return;
      if (mail.deliver && mail.expiresAt > deps.clock.now()) {
        await mailer.send(openMail(deps.box, mailId, mail.sealed), signal);
      }
      await deleteMail(deps.db.query, mailId);
    },
    [finishRemovalTask]: async (payload, { signal }) => {
      const by = enrolmentPayload.parse(payload);
      const confirmed = await finishEnrolmentRemoval(deps, by, { timeoutMs: disconnectTimeoutMs, signal });
      if (!confirmed) throw new NotConfirmedYet("the bank has not confirmed the revocation");
    },
    [syncCardsTask]: async (payload, { signal }) => {
      await syncCards(deps, enrolmentPayload.parse(payload), { timeoutMs: listCardsTimeoutMs, signal });
    },
    [dropConnectionTask]: async (payload, { signal }) => {
      const by = dropPayload.parse(payload);
      // A consent of the meantime may stand on the same connection.
      if (await isConnectionInUse(deps.db.query, by)) return;
      const confirmed = await deps.credential.disconnect(by, { timeoutMs: disconnectTimeoutMs, signal });
      if (!confirmed) throw new NotConfirmedYet("the bank has not confirmed the revocation");
    },
  };
}
