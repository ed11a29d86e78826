import { inTransaction } from "../../platform/db/transaction.ts";
import { jobActor } from "../domain/audit.ts";
import { appendAudits } from "../storage/audit-store.ts";
import { type AnswerToKeep, journalAnswers } from "../storage/refresh-journal.ts";
import type { Dependencies } from "./dependencies.ts";
import { parseAnswerText } from "./journal-format.ts";
import { queueOrphan } from "./revoke-orphan.ts";

/**
 * Keeps providers' answers in the journal, all in one transaction; the ids of the connections that have theirs. What came for one that
 * was disconnected or erased meanwhile is queued for revocation: the token its end took along may be one the provider has replaced.
 */
export async function keepAnswers(
  deps: Pick<Dependencies, "storage">,
  answers: readonly AnswerToKeep[],
): Promise<ReadonlySet<string>> {
  const { storage } = deps;
  return await inTransaction(storage.db, async (tx) => {
    const { kept, ended } = await journalAnswers(storage, tx, answers);
    for (const { flight, text, now, isGone } of ended) {
      await queueOrphan(deps, tx, { of: flight, tokens: parseAnswerText(text), isErased: isGone, now });
    }
    const audited = ended.map(({ flight, now }) => {
      const { owner, connectionId, connector, institutionId } = flight;
      const act = { action: "token_refresh", outcome: "too_late", connectionId, connector, institutionId } as const;
      return { subject: { owner, actor: jobActor("refresh"), now }, acts: [{ ...act, durationMs: 0 }] };
    });
    if (audited.length > 0) await appendAudits(storage, tx, audited);
    return kept;
  });
}
