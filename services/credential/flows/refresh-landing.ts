import { inTransaction } from "../../platform/db/transaction.ts";
import type { TokenSet } from "../connectors/connector.ts";
import type { Actor } from "../domain/audit.ts";
import { type Connection, isCredentialExpired } from "../domain/connection.ts";
import { nextStanding } from "../domain/connection-state.ts";
import { refreshDueAt } from "../domain/refresh-schedule.ts";
import { appendAudit } from "../storage/audit-store.ts";
import { lockConnection } from "../storage/connection-store.ts";
import { clearJournal, landFlight, type RefreshedColumns } from "../storage/refresh-store.ts";
import { compareSecret, type NewSecret, storeSecrets } from "../storage/secret-store.ts";
import { type Dependencies, knowsCards } from "./dependencies.ts";

/** A flight that brings an answer home. */
export interface LandingWork {
  readonly flight: Connection;
  readonly answer: TokenSet;
  readonly actor: Actor;
  readonly startedMs: number;
}

/**
 * Makes a journaled answer the connection's own: tokens, the renewed wallet credential if there is one, state, schedule, journal and
 * audit in one transaction. False when another flight has the connection by now; the answer stays in the journal for it.
 */
export async function land(deps: Dependencies, work: LandingWork): Promise<boolean> {
  const { flight, answer } = work;
  const now = deps.clock.now();
  return await inTransaction(deps.storage.db, async (tx) => {
    const current = await lockConnection(tx, flight);
    if (current === undefined) return false;
    const credential = { connection: current, purpose: "wallet_credential" } as const;
    const before = await compareSecret(deps.storage, tx, credential, answer.credential ?? "");
    // Banks repeat the credential at every refresh; only another one is new.
    const renewed = answer.credential !== undefined && before.outcome !== "same";
    // A refusal may have been believed while this answer was on its way: whoever holds new tokens has not been refused.
    const epoch = mayRescue(flight, current) ? current.refreshEpoch : flight.refreshEpoch;
    const landed = await landFlight(
      tx,
      { ...flight, refreshEpoch: epoch },
      columnsOf(current, { answer, renewed, now, isWithoutCards: !knowsCards(deps, current) }),
    );
    if (!landed) return false;
    const stored = await storeSecrets(deps.storage, tx, {
      connection: flight,
      secrets: secretsOf(answer, renewed),
      now,
    });
    await clearJournal(tx, { ...flight, refreshEpoch: epoch });
    const { owner, connectionId, institutionId } = flight;
    const durationMs = performance.now() - work.startedMs;
    await appendAudit(deps.storage, tx, { owner, actor: work.actor, now }, [
      { action: "token_refresh", outcome: "ok", connectionId, institutionId, durationMs },
      ...before.alerts,
      stored,
    ]);
    return true;
  });
}

function mayRescue(flight: Connection, current: Connection): boolean {
  return (
    current.stateReason === "consent_ended" &&
    current.refreshHolder === undefined &&
    current.generation === flight.generation &&
    current.tokenVersion === flight.tokenVersion
  );
}

function columnsOf(
  current: Connection,
  facts: { answer: TokenSet; renewed: boolean; isWithoutCards: boolean; now: Date },
): RefreshedColumns {
  const { answer, renewed, now } = facts;
  const hasRefreshToken = current.hasRefreshToken || answer.refreshToken !== undefined;
  const hasCredential = current.hasCredential || renewed;
  const credentialExpiresAt = renewed ? answer.credentialExpiresAt : current.credentialExpiresAt;
  const { accessTokenExpiresAt } = answer;
  const hasEnded = isCredentialExpired({ credentialExpiresAt }, now);
  const kept = facts.isWithoutCards ? "kept" : !hasCredential ? "missing" : hasEnded ? "ended" : "kept";
  // A rescue starts from before the refusal it undoes.
  const ended = current.stateReason === "consent_ended";
  const before = ended
    ? ({ state: "ACTIVE", reason: "" } as const)
    : { state: current.state, reason: current.stateReason };
  return {
    standing: nextStanding(before, { kind: "refreshed", credential: renewed ? "renewed" : kept }),
    hasRefreshToken,
    hasCredential,
    accessTokenExpiresAt,
    credentialExpiresAt,
    refreshDueAt: refreshDueAt({ now, storedAt: now, accessTokenExpiresAt, credentialExpiresAt, hasRefreshToken }),
    now,
  };
}

function secretsOf(answer: TokenSet, renewed: boolean): NewSecret[] {
  const secrets: NewSecret[] = [
    { purpose: "access_token", plaintext: answer.accessToken, expiresAt: answer.accessTokenExpiresAt },
  ];
  if (answer.refreshToken !== undefined) {
    secrets.push({ purpose: "refresh_token", plaintext: answer.refreshToken, expiresAt: undefined });
  }
  if (renewed && answer.credential !== undefined) {
    secrets.push({ purpose: "wallet_credential", plaintext: answer.credential, expiresAt: answer.credentialExpiresAt });
  }
  return secrets;
}
