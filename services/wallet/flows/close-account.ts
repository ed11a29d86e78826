import { inTransaction } from "../../platform/db/transaction.ts";
import type { OutgoingCall } from "../clients/credential-connections.ts";
import {
  type AccountErasure,
  claimAccountErasures,
  closeUser,
  deleteClosedUser,
  postponeErasure,
} from "../storage/account-erasures-store.ts";
import { revokeDeviceSessions } from "../storage/device-sessions-store.ts";
import { lockUserById } from "../storage/users-store.ts";
import { revokeWebSessionsOf } from "../storage/web-sessions-store.ts";
import { queueMail } from "./queue-mail.ts";
import type { WalletDeps } from "./wallet-deps.ts";

/** The job leaves the first try to the call that closes. */
const firstJobDelayMs = 20_000;
/**
 * Longer than any service believes a sign-in that has ended: a consent begun in that time is found by an erasure that begins after it,
 * so only such a one is the last.
 */
const settleMs = 60_000;
const eraseTimeoutMs = 12_000;
const leaseMs = 60_000;
const erasuresPerRun = 10;
const pauseMinMs = 5_000;
const pauseMaxMs = 10 * 60_000;
const mailLifeMs = 24 * 60 * 60_000;

type CloseDeps = Pick<WalletDeps, "box" | "clock" | "credential" | "db" | "log">;

/**
 * Closes an account at once: every sign-in ends, nobody finds it, its address is free. Its connections are erased by their holder in the
 * same call where that works, else by a job. Resolves with whether the holder has confirmed; a repeat finds no account and counts as that.
 */
export async function closeAccount(deps: CloseDeps, userId: string, call: OutgoingCall): Promise<boolean> {
  const closed = await inTransaction(deps.db, async (tx) => {
    const user = await lockUserById(tx, userId);
    if (user === undefined) return false;
    const now = deps.clock.now();
    await revokeDeviceSessions(tx, { userId, deviceId: undefined, reason: "account", now });
    await revokeWebSessionsOf(tx, userId, now);
    await closeUser(tx, { userId, now, nextTryAt: new Date(now.getTime() + firstJobDelayMs) });
    const expiresAt = new Date(now.getTime() + mailLifeMs);
    await queueMail(deps, tx, { to: user.email, ...closedMail, deliver: user.verifiedAt !== null, expiresAt });
    return true;
  });
  if (!closed) return true;
  const timeoutMs = Math.min(eraseTimeoutMs, Math.max(1, call.timeoutMs - 1_000));
  return await deps.credential.eraseUser(userId, { ...call, timeoutMs }).catch((err: unknown) => {
    deps.log.warn({ err }, "a closed account waits for its erasure");
    return false;
  });
}

/** Goes on with closed accounts until their connections' holder has confirmed; then their last row goes. Safe on several replicas. */
export async function eraseClosedAccounts(deps: CloseDeps, signal: AbortSignal): Promise<number> {
  const now = deps.clock.now();
  const leaseUntil = new Date(now.getTime() + leaseMs);
  const due = await claimAccountErasures(deps.db.query, { now, leaseUntil, limit: erasuresPerRun });
  let erased = 0;
  for (const erasure of due) {
    if (signal.aborted) break;
    if (await eraseOne(deps, erasure, signal)) erased += 1;
  }
  return erased;
}

async function eraseOne(deps: CloseDeps, erasure: AccountErasure, signal: AbortSignal): Promise<boolean> {
  const { userId, closedAt, tries } = erasure;
  const begunMs = deps.clock.now().getTime();
  const settledMs = closedAt.getTime() + settleMs;
  const isConfirmed = await deps.credential
    .eraseUser(userId, { timeoutMs: eraseTimeoutMs, signal })
    .catch((err: unknown) => {
      deps.log.warn({ err, tries }, "a closed account waits for its erasure");
      return false;
    });
  if (isConfirmed && begunMs >= settledMs) {
    await inTransaction(deps.db, (tx) => deleteClosedUser(tx, userId));
    return true;
  }
  const pauseMs = Math.min(pauseMinMs * 2 ** Math.min(tries, 10), pauseMaxMs);
  const nextMs = isConfirmed ? settledMs : deps.clock.now().getTime() + pauseMs;
  await postponeErasure(deps.db.query, userId, new Date(nextMs));
  return false;
}

const closedMail = {
  subject: "Your wallet is closed",
  text: [
    "Your wallet is closed, as you asked. Its cards, banks and connected accounts are being removed, and your consents taken back.",
    "",
    "If that was not you, somebody was signed in to your wallet: look after your mailbox, and tell your banks.",
    "",
  ].join("\n"),
} as const;
