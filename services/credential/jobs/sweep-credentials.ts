import { inTransaction } from "../../platform/db/transaction.ts";
import { jobActor } from "../domain/audit.ts";
import { isCredentialExpired } from "../domain/connection.ts";
import { nextStanding } from "../domain/connection-state.ts";
import type { Dependencies } from "../flows/dependencies.ts";
import { appendAudit } from "../storage/audit-store.ts";
import { findEndedCredentials, lockConnection, setStanding } from "../storage/connection-store.ts";
import { addNotices, noticesOfChange } from "../storage/notice-store.ts";

const batchSize = 100;

/** Marks connections whose wallet credential has ended, so that their users are asked before they stand at a till. */
export async function sweepCredentials(deps: Dependencies, signal: AbortSignal): Promise<number> {
  const keys = await findEndedCredentials(deps.storage.db.query, deps.clock.now(), batchSize);
  let marked = 0;
  for (const key of keys) {
    if (signal.aborted) break;
    const now = deps.clock.now();
    const changed = await inTransaction(deps.storage.db, async (tx) => {
      const current = await lockConnection(tx, key);
      if (current === undefined || !isCredentialExpired(current, now)) return false;
      const standing = nextStanding(
        { state: current.state, reason: current.stateReason },
        { kind: "credential_ended" },
      );
      if (!(await setStanding(tx, current, standing, now))) return false;
      await addNotices(tx, noticesOfChange(current, standing, now));
      const { connectionId, connector, institutionId } = current;
      await appendAudit(deps.storage, tx, { owner: key.owner, actor: jobActor("credentials"), now }, [
        { action: "sync", outcome: standing.reason, connectionId, connector, institutionId, durationMs: 0 },
      ]);
      return true;
    });
    if (changed) marked += 1;
  }
  return marked;
}
