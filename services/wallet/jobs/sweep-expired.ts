import type { WalletDeps } from "../flows/wallet-deps.ts";
import { deleteEndedAttempts } from "../storage/attempts-store.ts";
import { deleteExpiredChallenges } from "../storage/challenges-store.ts";
import { deleteExpiredDeviceSessions } from "../storage/device-sessions-store.ts";
import { deleteExpiredDevices } from "../storage/devices-store.ts";
import { deleteExpiredMail } from "../storage/mail-store.ts";
import { deleteOldNotices } from "../storage/owner-notices-store.ts";
import { deleteLapsedRefusals } from "../storage/refresh-tokens-store.ts";
import { deleteEndedWebSessions } from "../storage/web-sessions-store.ts";

const batchSize = 500;
/** Long enough to answer a person who asks what became of an enrolment. */
const attemptsKeptMs = 30 * 24 * 3600_000;
/** Whatever was not hidden in that time is old news. */
const noticesKeptMs = 90 * 24 * 3600_000;
const batchesMax = 20;

/** Deletes what has expired, in batches; safe on several replicas at once. Resolves with how many rows went. */
export async function sweepExpired(deps: Pick<WalletDeps, "clock" | "db">, signal: AbortSignal): Promise<number> {
  const now = deps.clock.now();
  const sweeps = [
    () => deleteExpiredChallenges(deps.db.query, now, batchSize),
    () => deleteExpiredMail(deps.db.query, now, batchSize),
    () => deleteEndedWebSessions(deps.db.query, now, batchSize),
    () => deleteLapsedRefusals(deps.db.query, now, batchSize),
    () => deleteExpiredDevices(deps.db.query, now, batchSize),
    () => deleteExpiredDeviceSessions(deps.db.query, now, batchSize),
    () => deleteOldNotices(deps.db.query, new Date(now.getTime() - noticesKeptMs), batchSize),
    () => deleteEndedAttempts(deps.db.query, new Date(now.getTime() - attemptsKeptMs), batchSize),
  ];
  let total = 0;
  for (const sweep of sweeps) {
    for (let batch = 0; batch < batchesMax && !signal.aborted; batch += 1) {
      const count = await sweep();
      total += count;
      if (count < batchSize) break;
    }
  }
  return total;
}
