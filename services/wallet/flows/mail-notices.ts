import { inTransaction } from "../../platform/db/transaction.ts";
import { idsOf, noticeMail, splitSettled } from "../domain/owner-notice.ts";
import {
  endNotices,
  findPeopleToMail,
  listNoticesToMail,
  type MailPace,
  noteMailed,
} from "../storage/owner-notices-store.ts";
import { lockUserById } from "../storage/users-store.ts";
import { queueMail } from "./queue-mail.ts";
import type { WalletDeps } from "./wallet-deps.ts";

/** The first mail leaves at once; what comes after it gathers, so that a provider that comes and goes fills no mailbox. */
const pace: MailPace = Object.freeze({ pauseMs: 60 * 60_000, perDayMax: 4 });
const peopleMax = 50;
const standingsTimeoutMs = 5_000;
const mailLifeMs = 24 * 60 * 60_000;

type MailDeps = Pick<WalletDeps, "box" | "clock" | "credential" | "db" | "log" | "settings">;

/**
 * Mails people what waits to be told: one mail for all of it, an hour after the last at the earliest and four a day at most. What is
 * settled by then is not mailed. Safe on several replicas. Resolves to how many were written to.
 */
export async function mailNotices(deps: MailDeps, signal: AbortSignal): Promise<number> {
  const people = await findPeopleToMail(deps.db.query, pace, deps.clock.now(), peopleMax);
  let mailed = 0;
  for (const userId of people) {
    if (signal.aborted) break;
    const isMailed = await mailOne(deps, userId, signal).catch((err: unknown) => {
      deps.log.warn({ err }, "a notice waits for its mail");
      return false;
    });
    if (isMailed) mailed += 1;
  }
  return mailed;
}

async function mailOne(deps: MailDeps, userId: string, signal: AbortSignal): Promise<boolean> {
  const standings = await deps.credential.listStandings(userId, { timeoutMs: standingsTimeoutMs, signal });
  return await inTransaction(deps.db, async (tx) => {
    const now = deps.clock.now();
    const user = await lockUserById(tx, userId);
    if (user === undefined) return false;
    const waiting = await listNoticesToMail(tx, userId, pace, now);
    const { settled, open } = splitSettled(waiting, standings);
    await endNotices(tx, { userId, noticeIds: idsOf(settled), now });
    if (open.length === 0) return false;
    const { appUrl, connectionsUrl } = deps.settings;
    const mail = noticeMail(open, { wallet: `${appUrl}/wallet`, connections: connectionsUrl });
    const expiresAt = new Date(now.getTime() + mailLifeMs);
    await queueMail(deps, tx, { to: user.email, ...mail, deliver: true, expiresAt });
    await noteMailed(tx, { userId, noticeIds: idsOf(open), now });
    return true;
  });
}
