import { inTransaction } from "../../platform/db/transaction.ts";
import type { TokenSet } from "../connectors/connector.ts";
import type { Actor, AuditAct } from "../domain/audit.ts";
import { type Connection, isCredentialExpired } from "../domain/connection.ts";
import { type CredentialAfterRefresh, nextStanding, type Standing } from "../domain/connection-state.ts";
import { refreshDueAt } from "../domain/refresh-schedule.ts";
import { appendAudits } from "../storage/audit-store.ts";
import { lockConnections } from "../storage/connection-store.ts";
import { planByIndex } from "../storage/index-plans.ts";
import { addNotices, noticesOfChange } from "../storage/notice-store.ts";
import { clearJournals } from "../storage/refresh-journal.ts";
import { type Landing, landFlights, type RefreshedColumns } from "../storage/refresh-store.ts";
import { compareSecret, type NewSecret, storeSecretsOfMany } from "../storage/secret-store.ts";
import type { Tx } from "../storage/storage.ts";
import { type Dependencies, knowsCards } from "./dependencies.ts";

/** A flight that brings an answer home. */
export interface LandingWork {
  readonly flight: Connection;
  readonly answer: TokenSet;
  readonly actor: Actor;
  readonly startedMs: number;
}

/** `landAll` for one flight. */
export async function land(deps: Dependencies, work: LandingWork): Promise<boolean> {
  const [landed] = await landAll(deps, [work]);
  return landed ?? false;
}

/**
 * Makes journaled answers their connections' own: tokens, the renewed wallet credential if there is one, state, schedule, journal,
 * notice and audit of all of them in one transaction. False for one whose connection another flight has by now; its answer stays in the
 * journal for that one. Of one connection a batch holds one flight.
 */
export async function landAll(deps: Dependencies, works: readonly LandingWork[]): Promise<boolean[]> {
  const first = works.filter(({ flight }, index) => indexOfConnection(works, flight.connectionId) === index);
  if (first.length < works.length) return await landInTurns(deps, works, first);
  const now = deps.clock.now();
  return await inTransaction(deps.storage.db, async (tx) => {
    await planByIndex(tx);
    const locked = await lockConnections(
      tx,
      works.map((work) => work.flight),
    );
    const approaches: Approach[] = [];
    for (const work of works) {
      const current = locked.get(work.flight.connectionId);
      if (current !== undefined) approaches.push(await approach(deps, tx, { work, current, now }));
    }
    const firstVersions = await landFlights(tx, approaches);
    const landed = approaches.filter(({ flight }) => firstVersions.has(flight.connectionId));
    await finishLandings(deps, tx, { landed, firstVersions, now });
    return works.map(({ flight }) => firstVersions.has(flight.connectionId));
  });
}

function indexOfConnection(works: readonly LandingWork[], connectionId: string): number {
  return works.findIndex(({ flight }) => flight.connectionId === connectionId);
}

async function landInTurns(
  deps: Dependencies,
  works: readonly LandingWork[],
  first: readonly LandingWork[],
): Promise<boolean[]> {
  const later = works.filter((work) => !first.includes(work));
  const [landedFirst, landedLater] = [await landAll(deps, first), await landAll(deps, later)];
  return works.map(
    (work) => (first.includes(work) ? landedFirst[first.indexOf(work)] : landedLater[later.indexOf(work)]) ?? false,
  );
}

/** A landing with everything decided. */
interface Approach extends Landing {
  readonly work: LandingWork;
  readonly newSecrets: readonly NewSecret[];
  readonly alerts: readonly AuditAct[];
  readonly current: Connection;
}

async function approach(
  deps: Dependencies,
  tx: Tx,
  facts: { work: LandingWork; current: Connection; now: Date },
): Promise<Approach> {
  const { work, current, now } = facts;
  const { flight, answer } = work;
  const credential = { connection: current, purpose: "wallet_credential" } as const;
  const before =
    answer.credential === undefined ? undefined : await compareSecret(deps.storage, tx, credential, answer.credential);
  // Banks repeat the credential at every refresh; only another one is new.
  const renewed = before !== undefined && before.outcome !== "same";
  // A refusal may have been believed while this answer was on its way: whoever holds new tokens has not been refused.
  const refreshEpoch = mayRescue(flight, current) ? current.refreshEpoch : flight.refreshEpoch;
  const newSecrets = secretsOf(answer, renewed);
  return {
    work,
    flight: { ...flight, refreshEpoch },
    columns: columnsOf(current, { answer, renewed, now, isWithoutCards: !knowsCards(deps, current) }),
    secrets: newSecrets.length,
    newSecrets,
    alerts: before?.alerts ?? [],
    current,
  };
}

async function finishLandings(
  deps: Dependencies,
  tx: Tx,
  facts: { landed: readonly Approach[]; firstVersions: ReadonlyMap<string, number>; now: Date },
): Promise<void> {
  const { landed, firstVersions, now } = facts;
  if (landed.length === 0) return;
  const stored = await storeSecretsOfMany(
    deps.storage,
    tx,
    landed.map(({ flight, newSecrets }) => ({
      connection: flight,
      secrets: newSecrets,
      firstVersion: firstVersions.get(flight.connectionId) ?? 0,
      now,
    })),
  );
  await clearJournals(
    tx,
    landed.map(({ flight }) => flight),
  );
  await addNotices(
    tx,
    landed.flatMap(({ current, columns }) => noticesOfChange(current, columns.standing, now)),
  );
  await appendAudits(
    deps.storage,
    tx,
    landed.map(({ work, flight, alerts }, index) => {
      const { owner, connectionId, connector, institutionId } = flight;
      const durationMs = performance.now() - work.startedMs;
      const of = { connectionId, connector, institutionId };
      const refreshed: AuditAct = { action: "token_refresh", outcome: "ok", ...of, durationMs };
      return {
        subject: { owner, actor: work.actor, now },
        acts: [refreshed, ...alerts, ...(stored[index] ? [stored[index]] : [])],
      };
    }),
  );
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
  return {
    standing: standingAfter(current, { hasRefreshToken, credential: renewed ? "renewed" : kept }),
    hasRefreshToken,
    hasCredential,
    accessTokenExpiresAt,
    credentialExpiresAt,
    consentExpiresAt: answer.consentExpiresAt,
    refreshDueAt: refreshDueAt({ now, storedAt: now, accessTokenExpiresAt, credentialExpiresAt, hasRefreshToken }),
    now,
  };
}

function standingAfter(
  current: Connection,
  refreshed: { readonly hasRefreshToken: boolean; readonly credential: CredentialAfterRefresh },
): Standing {
  const before = { state: current.state, reason: current.stateReason };
  const { hasRefreshToken, credential } = refreshed;
  if (current.stateReason !== "consent_ended") return nextStanding(before, { kind: "refreshed", credential });
  // A provider replaces an access token whether or not its person can sign in: his bank is still to be told who he is.
  if (!hasRefreshToken && current.refreshOutcome !== "reauth_required") return before;
  // A rescue starts from before the refusal it undoes.
  return nextStanding({ state: "ACTIVE", reason: "" }, { kind: "refreshed", credential });
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
