import { setTimeout as pause } from "node:timers/promises";
import { inTransaction } from "../../platform/db/transaction.ts";
import { DomainError } from "../../platform/errors/domain-error.ts";
import type { TokenSet } from "../connectors/connector.ts";
import { ProviderError } from "../connectors/provider-error.ts";
import type { Actor } from "../domain/audit.ts";
import type { Connection } from "../domain/connection.ts";
import { nextStanding } from "../domain/connection-state.ts";
import { needsRefresh, retryAt } from "../domain/refresh-schedule.ts";
import { appendAudit } from "../storage/audit-store.ts";
import { findConnection } from "../storage/connection-store.ts";
import { abortFlight, type FlightOutcome, findJournaledAnswer, journalAnswer } from "../storage/refresh-store.ts";
import { connectorOf, type Dependencies, detachedCall } from "./dependencies.ts";
import { formatAnswer, parseAnswerText } from "./journal-format.ts";
import { openForUse } from "./open-for-use.ts";
import { land } from "./refresh-landing.ts";
import { savePatiently } from "./save-patiently.ts";

/** A claimed flight and who asked for it. */
export interface FlightWork {
  /** As claimed: its epoch fences everything this flight writes. */
  readonly flight: Connection;
  readonly actor: Actor;
}

// A lost answer is asked for again at once: the bank may have rotated, and honours the old token for a short while only.
const asksMax = 2;
const pauseBetweenAsksMs = 250;

/**
 * Flies one refresh: a journaled answer of an earlier flight first, else the bank; the answer is sealed into the journal before it
 * becomes the connection's own. `overtaken`: someone else's flight has the connection now, look again.
 */
export async function fly(deps: Dependencies, work: FlightWork): Promise<FlightOutcome | "overtaken"> {
  const startedMs = performance.now();
  const { flight } = work;
  try {
    const journaled = await findJournaledAnswer(deps.storage, flight, { actor: work.actor, now: deps.clock.now() });
    const answer = journaled === undefined ? await askAndJournal(deps, work) : parseAnswerText(journaled);
    if (answer === undefined) return "overtaken";
    return (await land(deps, { ...work, answer, startedMs })) ? "refreshed" : "overtaken";
  } catch (error) {
    if (error instanceof ProviderError) return await settleFailure(deps, work, { error, startedMs });
    if (error instanceof DomainError) {
      return await settleFailure(deps, work, { error: new ProviderError("unavailable"), startedMs });
    }
    throw error;
  }
}

/** Undefined when a newer consent, or the end of the connection, has made the answer worthless. */
async function askAndJournal(deps: Dependencies, { flight, actor }: FlightWork): Promise<TokenSet | undefined> {
  const refreshToken = await openForUse(deps, flight, "refresh_token", actor);
  if (refreshToken === undefined) throw new ProviderError("grant_refused", { detail: "no refresh token" });
  const answer = await askBank(deps, flight, refreshToken.plaintext);
  const text = formatAnswer(answer);
  const now = deps.clock.now();
  const kept = await savePatiently(
    () => inTransaction(deps.storage.db, (tx) => journalAnswer(deps.storage, tx, flight, { text, now })),
    () => false,
  );
  return kept ? answer : undefined;
}

async function askBank(deps: Dependencies, flight: Connection, refreshToken: string): Promise<TokenSet> {
  const connector = connectorOf(deps, flight);
  await connector.check(flight.institutionId, "use");
  if (connector.refresh === undefined) throw new ProviderError("grant_refused", { detail: "nothing to refresh" });
  const { institutionId, providerReference } = flight;
  for (let ask = 1; ; ask += 1) {
    try {
      return await connector.refresh({ institutionId, refreshToken, providerReference }, detachedCall(deps));
    } catch (error) {
      const isWorthAnother = error instanceof ProviderError && error.failure === "unavailable";
      if (!isWorthAnother || ask === asksMax) throw error;
      await pause(pauseBetweenAsksMs);
    }
  }
}

async function settleFailure(
  deps: Dependencies,
  work: FlightWork,
  failed: { error: ProviderError; startedMs: number },
): Promise<FlightOutcome | "overtaken"> {
  const { flight } = work;
  if (failed.error.failure !== "grant_refused") return await putOff(deps, work, failed);
  // A refusal is believed only once nobody else can have used the token: the loser of a race is refused as well.
  const journaled = await findJournaledAnswer(deps.storage, flight, { actor: work.actor, now: deps.clock.now() });
  if (journaled !== undefined) {
    const answer = parseAnswerText(journaled);
    return (await land(deps, { ...work, answer, startedMs: failed.startedMs })) ? "refreshed" : "overtaken";
  }
  const current = await findConnection(deps.storage.db.query, flight);
  const isSame = current?.tokenVersion === flight.tokenVersion && current.refreshEpoch === flight.refreshEpoch;
  if (!isSame) return "overtaken";
  return await end(deps, work, { ...failed, outcome: "refused" });
}

async function putOff(
  deps: Dependencies,
  work: FlightWork,
  failed: { error: ProviderError; startedMs: number },
): Promise<FlightOutcome | "overtaken"> {
  const outcome = failed.error.failure === "client_refused" ? "client_refused" : "unavailable";
  return await end(deps, work, { ...failed, outcome });
}

async function end(
  deps: Dependencies,
  work: FlightWork,
  failed: { error: ProviderError; startedMs: number; outcome: FlightOutcome },
): Promise<FlightOutcome | "overtaken"> {
  const { flight } = work;
  const { outcome } = failed;
  const now = deps.clock.now();
  const before = { state: flight.state, reason: flight.stateReason };
  const tokenIsDead = needsRefresh(flight.accessTokenExpiresAt, now);
  const standing = (() => {
    if (outcome === "refused") return nextStanding(before, { kind: "refresh_refused" });
    return tokenIsDead ? nextStanding(before, { kind: "provider_unavailable" }) : before;
  })();
  const next = outcome === "refused" ? undefined : retryAt(now, flight.refreshFailures + 1);
  const ended = await inTransaction(deps.storage.db, async (tx) => {
    if (!(await abortFlight(tx, flight, { outcome, standing, retryAt: next, now }))) return false;
    const { owner, connectionId, institutionId } = flight;
    const durationMs = performance.now() - failed.startedMs;
    await appendAudit(deps.storage, tx, { owner, actor: work.actor, now }, [
      { action: "token_refresh", outcome, connectionId, institutionId, durationMs },
    ]);
    return true;
  });
  if (!ended) return "overtaken";
  const facts = { connectionId: flight.connectionId, bankId: flight.institutionId, outcome };
  const { failure, correlationId } = failed.error;
  deps.log.warn({ ...facts, reason: failure, correlationId }, "refresh without new tokens");
  return outcome;
}
