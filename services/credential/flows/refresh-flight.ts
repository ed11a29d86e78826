import { setTimeout as pause } from "node:timers/promises";
import { inTransaction } from "../../platform/db/transaction.ts";
import { DomainError } from "../../platform/errors/domain-error.ts";
import { SealedRecordError } from "../../platform/vault/sealed-box.ts";
import type { Connector, ProviderCall, RefreshRequest, TokenSet } from "../connectors/connector.ts";
import { afterLostAnswer, ProviderError } from "../connectors/provider-error.ts";
import { noTimeLeft, timeToSend } from "../connectors/time-to-send.ts";
import type { Actor } from "../domain/audit.ts";
import type { Connection } from "../domain/connection.ts";
import { nextStanding, type Standing } from "../domain/connection-state.ts";
import { needsRefresh, postpone, type RefreshFailure } from "../domain/refresh-schedule.ts";
import { appendAudit } from "../storage/audit-store.ts";
import { findConnection } from "../storage/connection-store.ts";
import { addNotices, type NewNotice, noticesOfChange } from "../storage/notice-store.ts";
import { findJournaledAnswer, hasAnswerForGood } from "../storage/refresh-journal.ts";
import { abortFlight, type FlightOutcome, hasUnsettledIntent, releaseFlight } from "../storage/refresh-store.ts";
import { connectorOf, type Dependencies, detachedCall } from "./dependencies.ts";
import type { Landings } from "./gather-landings.ts";
import { formatAnswer, parseAnswerText } from "./journal-format.ts";
import { measureRefresh } from "./measure-refresh.ts";
import { failureFacts } from "./provider-failure.ts";
import type { RefreshCircuits } from "./refresh-circuits.ts";

/**
 * Asks a provider for new tokens. Undefined when it gave none and nothing went wrong: then the flight is given back as if it had never
 * been.
 */
export type AskProvider = (
  connector: Connector,
  grant: RefreshRequest,
  call: ProviderCall,
) => Promise<TokenSet | undefined>;

/** A claimed flight and who asked for it. */
export interface FlightWork {
  /** As claimed: its epoch fences everything this flight writes. */
  readonly flight: Connection;
  readonly actor: Actor;
  /** When its lease ends, by `performance.now()`: no provider is asked for an answer that comes later. */
  readonly leaseEndsMs: number;
  /** In place of a refresh. */
  readonly ask?: AskProvider | undefined;
}

/** What flights need besides their own work. */
export interface FlightParts {
  readonly deps: Dependencies;
  readonly landings: Landings;
  readonly circuits: RefreshCircuits;
}

// A lost answer is asked for again at once: the bank may have rotated, and honours the old token for a short while only.
const asksMax = 2;
const pauseBetweenAsksMs = 250;
// What an answer still needs once it is here: the journal.
const leaseReserveMs = 250;

/** A refusal after an answer that nobody heard: the token may well have been rotated, and nothing is left to wait for. */
const answerLost = { reason: "answer_lost", isUnsettled: false };

/** A refresh that failed, as it is settled. */
interface Failed {
  readonly failure: RefreshFailure;
  /** The provider's answer in a word, for log and audit. */
  readonly reason: string;
  /** The provider's own failure, where it was one. */
  readonly cause?: ProviderError | undefined;
  readonly retryAfterMs?: number | undefined;
  /** The provider may have rotated the token all the same: the intent stays. */
  readonly isUnsettled: boolean;
  readonly startedMs: number;
}

/**
 * Flies one refresh: a journaled answer of an earlier flight first, else the provider; the answer is sealed into the journal before
 * it becomes the connection's own. `overtaken`: someone else's flight has the connection now, look again.
 */
export async function fly(parts: FlightParts, work: FlightWork): Promise<FlightOutcome | "overtaken"> {
  const startedMs = performance.now();
  const outcome = await flyToEnd(parts, work, startedMs);
  if (work.ask === undefined) measureRefresh(work.flight.connector, outcome, performance.now() - startedMs);
  return outcome;
}

async function flyToEnd(parts: FlightParts, work: FlightWork, startedMs: number): Promise<FlightOutcome | "overtaken"> {
  const { landings } = parts;
  try {
    const answer = await findAnswer(parts, work);
    if (answer === undefined) return "overtaken";
    return (await landings.land({ ...work, answer, startedMs })) ? "refreshed" : "overtaken";
  } catch (error) {
    const failed = await classify(parts, work, error);
    if (failed === undefined) throw error;
    return await settleFailure(parts, work, { ...failed, startedMs });
  }
}

/** Undefined when a newer consent, or the end of the connection, has made the answer worthless, and when there was none to keep. */
async function findAnswer(parts: FlightParts, work: FlightWork): Promise<TokenSet | undefined> {
  const { deps, landings } = parts;
  const { flight, actor } = work;
  const isStatic = deps.connectors.get(flight.connector)?.rotateAccess !== undefined;
  const purpose = isStatic ? "access_token" : "refresh_token";
  const start = await landings.read({ flight, actor, now: deps.clock.now(), purpose });
  if (start.hasAnswer) {
    const journaled = await findJournaledAnswer(deps.storage, flight, { actor, now: deps.clock.now() });
    if (journaled !== undefined) return parseAnswerText(journaled);
  }
  // Where the provider is not set up nobody knows which token is shown to it, and a missing one says nothing.
  const connector = connectorOf(deps, flight);
  const token = await start.openToken();
  if (token === undefined) throw new ProviderError("grant_refused", { detail: `no ${purpose}` });
  const answer = await askProvider(parts, work, { connector, token });
  await parts.circuits.answered(flight);
  if (answer === undefined) {
    await inTransaction(deps.storage.db, (tx) => releaseFlight(tx, flight));
    return undefined;
  }
  const kept = await landings.journal({ flight, text: formatAnswer(answer), now: deps.clock.now() });
  return kept ? answer : undefined;
}

async function askProvider(
  { deps }: FlightParts,
  work: FlightWork,
  { connector, token }: { readonly connector: Connector; readonly token: string },
): Promise<TokenSet | undefined> {
  const { flight, ask: askFor = refreshBy } = work;
  await connector.check(flight.institutionId, "use");
  const { institutionId, providerReference } = flight;
  const grant = { institutionId, refreshToken: token, providerReference };
  let isUnsettled = false;
  for (let ask = 1; ; ask += 1) {
    try {
      const call = timeToSend({ ...detachedCall(deps), endsAtMs: work.leaseEndsMs - leaseReserveMs });
      return await askFor(connector, grant, call);
    } catch (error) {
      if (!(error instanceof ProviderError)) throw error;
      isUnsettled ||= error.mayHaveActed;
      if (error.failure !== "unavailable" || ask === asksMax) throw isUnsettled ? afterLostAnswer(error) : error;
      await pause(pauseBetweenAsksMs);
    }
  }
}

async function refreshBy(connector: Connector, grant: RefreshRequest, call: ProviderCall): Promise<TokenSet> {
  if (connector.rotateAccess !== undefined) {
    const { institutionId, providerReference, refreshToken: accessToken } = grant;
    return await connector.rotateAccess({ institutionId, providerReference, accessToken }, call);
  }
  if (connector.refresh === undefined) throw new ProviderError("grant_refused", { detail: "nothing to refresh" });
  return await connector.refresh(grant, call);
}

/** What a failed flight means; undefined for an error that is no provider's. */
async function classify(
  { circuits }: FlightParts,
  { flight }: FlightWork,
  error: unknown,
): Promise<Omit<Failed, "startedMs"> | undefined> {
  if (error instanceof DomainError) {
    const failure = error.reason === "PROVIDER_UNAVAILABLE" ? "provider_down" : "misconfigured";
    return { failure, reason: error.reason.toLowerCase(), isUnsettled: false };
  }
  if (error instanceof SealedRecordError) {
    return { failure: "misconfigured", reason: "secret_rejected", isUnsettled: false };
  }
  if (!(error instanceof ProviderError)) return undefined;
  const { retryAfterMs } = error;
  const common = { reason: error.failure, cause: error, retryAfterMs, isUnsettled: error.mayHaveActed };
  switch (error.failure) {
    case "grant_refused":
    case "reauthorize":
      await circuits.answered(flight);
      return { ...common, ...(error.mayHaveActed ? answerLost : {}), failure: "reauth_required" };
    case "client_refused":
      await circuits.failed(flight);
      return { ...common, failure: "misconfigured" };
    case "unavailable":
      return { ...common, failure: (await circuits.failed(flight)) ? "provider_down" : "transient" };
    case "rate_limited":
      if (error.detail !== noTimeLeft) await circuits.failed(flight, retryAfterMs ?? 0);
      return { ...common, failure: "transient" };
    default:
      return { ...common, failure: "transient" };
  }
}

async function settleFailure(
  parts: FlightParts,
  work: FlightWork,
  failed: Failed,
): Promise<FlightOutcome | "overtaken"> {
  const { deps, landings } = parts;
  const { flight } = work;
  if (failed.failure !== "reauth_required") return (await end(deps, work, failed)) ? failed.failure : "overtaken";
  // A refusal is believed only once nobody else can have used the token: the loser of a race is refused as well.
  for (;;) {
    const journaled = await findJournaledAnswer(deps.storage, flight, { actor: work.actor, now: deps.clock.now() });
    if (journaled !== undefined) {
      const answer = parseAnswerText(journaled);
      return (await landings.land({ ...work, answer, startedMs: failed.startedMs })) ? "refreshed" : "overtaken";
    }
    const current = await findConnection(deps.storage.db.query, flight);
    const isSame = current?.tokenVersion === flight.tokenVersion && current.refreshEpoch === flight.refreshEpoch;
    if (!isSame) return "overtaken";
    // The user has to come all the same, but whoever reads the audit is not told of a revocation that was none.
    const wasLost = await hasUnsettledIntent(deps.storage.db.query, flight);
    const ended = await end(deps, work, wasLost ? { ...failed, ...answerLost } : failed);
    if (ended !== "answered") return ended ? failed.failure : "overtaken";
  }
}

/** False when the flight was overtaken; `answered` when it was to end with a refusal, while an answer has come to the journal. */
async function end(deps: Dependencies, work: FlightWork, failed: Failed): Promise<boolean | "answered"> {
  const { flight } = work;
  const outcome = failed.failure;
  const now = deps.clock.now();
  const standing = standingAfter(flight, outcome, now);
  const { retryAfterMs } = failed;
  const next = postpone(outcome, { now, failures: flight.refreshFailures, share: Math.random(), retryAfterMs });
  const ended = await inTransaction(deps.storage.db, async (tx) => {
    if (outcome === "reauth_required" && (await hasAnswerForGood(tx, flight))) return "answered";
    const { dueAt: retryAt, failures } = next;
    const { isUnsettled } = failed;
    if (!(await abortFlight(tx, flight, { outcome, standing, retryAt, failures, isUnsettled, now }))) return false;
    await addNotices(tx, noticesOf(flight, standing, failed, now));
    const { owner, connectionId, connector, institutionId } = flight;
    const durationMs = performance.now() - failed.startedMs;
    const details = { reason: failed.reason };
    await appendAudit(deps.storage, tx, { owner, actor: work.actor, now }, [
      { action: "token_refresh", outcome, connectionId, connector, institutionId, durationMs, details },
    ]);
    return true;
  });
  if (ended === true) {
    const { connector, connectionId, institutionId: bankId } = flight;
    const told = failed.cause === undefined ? {} : failureFacts(failed.cause);
    const facts = { connector, connectionId, bankId, outcome, ...told, reason: failed.reason };
    deps.log.warn(facts, "refresh without new tokens");
  }
  return ended;
}

function standingAfter(flight: Connection, failure: RefreshFailure, now: Date): Standing {
  const before = { state: flight.state, reason: flight.stateReason };
  if (failure === "reauth_required") return nextStanding(before, { kind: "refresh_refused" });
  const tokenIsDead = needsRefresh(flight.accessTokenExpiresAt, now);
  return tokenIsDead ? nextStanding(before, { kind: "provider_unavailable" }) : before;
}

function noticesOf(flight: Connection, standing: Standing, failed: Failed, now: Date): NewNotice[] {
  const notices = noticesOfChange(flight, standing, now);
  if (failed.failure !== "misconfigured") return notices;
  return notices.map((notice) => ({ ...notice, kind: "misconfigured", reason: failed.reason }));
}
