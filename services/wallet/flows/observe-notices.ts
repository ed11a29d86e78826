import type { OutgoingCall } from "../clients/credential-connections.ts";
import { idsOf, type Notice, splitSettled } from "../domain/owner-notice.ts";
import { endNotices, listLiveNotices } from "../storage/owner-notices-store.ts";
import type { WalletDeps } from "./wallet-deps.ts";

/** The holder answers from storage; when it does not, what was last told is shown. */
const observeTimeoutMs = 1_500;

/** What a person is still to be told, newest first; what is settled by now ends here. */
export async function observeNotices(
  deps: Pick<WalletDeps, "clock" | "credential" | "db" | "log">,
  userId: string,
  call: OutgoingCall,
): Promise<readonly Notice[]> {
  const notices = await listLiveNotices(deps.db.query, userId);
  if (notices.length === 0) return notices;
  const timeoutMs = Math.min(observeTimeoutMs, Math.max(1, call.timeoutMs - 500));
  const standings = await deps.credential
    .listStandings(userId, { ...call, timeoutMs })
    .catch((err: unknown): undefined => {
      deps.log.warn({ err }, "connections not observed; showing what was last told");
    });
  if (standings === undefined) return notices;
  const { settled, open } = splitSettled(notices, standings);
  await endNotices(deps.db.query, { userId, noticeIds: idsOf(settled), now: deps.clock.now() });
  return open;
}
