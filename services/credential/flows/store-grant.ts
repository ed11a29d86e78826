import { randomUUID } from "node:crypto";
import { inTransaction } from "../../platform/db/transaction.ts";
import { DomainError } from "../../platform/errors/domain-error.ts";
import { keyedHash } from "../../platform/secrets/keyed-hash.ts";
import type { Grant, TokenSet } from "../connectors/connector.ts";
import type { Actor, AuditAct } from "../domain/audit.ts";
import type { Connection } from "../domain/connection.ts";
import { nextStanding } from "../domain/connection-state.ts";
import { refreshDueAt } from "../domain/refresh-schedule.ts";
import { lockAttemptStatus } from "../storage/attempt-cleanup-store.ts";
import { type ConnectAttempt, finishAttempt } from "../storage/attempt-store.ts";
import { appendAudit } from "../storage/audit-store.ts";
import { findConnection, lockConnection } from "../storage/connection-store.ts";
import {
  type ConsentFacts,
  insertConsent,
  lockBankUserConnection,
  lockSameConnections,
  replaceConsent,
} from "../storage/consent-store.ts";
import { dropNotices } from "../storage/notice-store.ts";
import { deleteProviderData } from "../storage/provider-data-store.ts";
import { insertRevocationOf } from "../storage/queue-revocation.ts";
import {
  compareSecret,
  deleteSecrets,
  type NewSecret,
  type SecretPurpose,
  storeSecrets,
} from "../storage/secret-store.ts";
import type { Tx } from "../storage/storage.ts";
import { enqueueRun } from "../storage/sync-run-store.ts";
import { restartSync } from "../storage/sync-state-store.ts";
import { type Dependencies, knowsCards } from "./dependencies.ts";
import { endAndQueue } from "./end-connection.ts";
import { queueOrphan } from "./revoke-orphan.ts";
import { revocationTimes } from "./revoke-secrets.ts";

/** A grant to store, and the attempt it ends. */
export interface GrantToStore {
  readonly attempt: ConnectAttempt;
  readonly grant: Grant;
  readonly durationMs: number;
  readonly actor: Actor;
}

/**
 * Makes a grant a connection, or puts it into the owner's connection to the same bank user or the same accounts, in one transaction that
 * also ends the attempt. The credential it supersedes is queued for revocation there, so the bank is asked only after the new one is safe.
 * Throws `PROVIDER_UNAVAILABLE` when the attempt has ended meanwhile, by the clean-up, by an erasure, or with the connection it was to
 * renew: what the grant brought is queued for revocation. A repeat after a lost answer finds what it stored.
 */
export async function storeGrant(deps: Dependencies, work: GrantToStore): Promise<Connection> {
  const { attempt } = work;
  const now = deps.clock.now();
  const toKeep = { ...work, consent: attempt, now };
  const stored = await inTransaction(deps.storage.db, async (tx) => {
    const hasPlace = await isRenewable(tx, attempt);
    if (await finishAttempt(tx, attempt, hasPlace ? "completed" : "failed")) {
      return hasPlace ? await keepGrant(deps, tx, toKeep) : await dropGrant(deps, tx, toKeep, false);
    }
    const status = await lockAttemptStatus(tx, attempt);
    if (status === "completed") return await lockBankUserConnection(tx, consentFacts(deps, toKeep, now));
    return await dropGrant(deps, tx, toKeep, status === undefined);
  });
  if (stored === undefined) throw new DomainError("PROVIDER_UNAVAILABLE");
  return stored;
}

/** Whether the connection a consent is to renew still is one; its end then waits for the grant. */
async function isRenewable(tx: Tx, { owner, connectionId }: ConnectAttempt): Promise<boolean> {
  if (connectionId === undefined) return true;
  const connection = await lockConnection(tx, { owner, connectionId });
  return connection !== undefined && connection.state !== "REVOKED";
}

/** Has the provider take back what came too late, unless a connection lives by the same consent. */
async function dropGrant(
  deps: Dependencies,
  tx: Tx,
  { attempt, consent, grant, actor, now, durationMs }: GrantToStore & GrantToKeep,
  isErased: boolean,
): Promise<undefined> {
  const { owner, connector } = consent;
  const { institutionId, providerReference } = grant;
  const living = await lockBankUserConnection(tx, {
    owner,
    connector,
    institutionId,
    ownerReference: grant.ownerReference,
  });
  const isShared = living?.providerReference === providerReference;
  const of = { owner, connectionId: attempt.attemptId, connector, institutionId, providerReference };
  if (!isShared) await queueOrphan(deps, tx, { of, tokens: tokensOf(grant), isErased, now });
  const outcome = isShared ? "left_to_expire" : "too_late";
  await appendAudit(deps.storage, tx, { owner, actor, now }, [
    { action: "token_exchange", outcome, connector, institutionId, durationMs },
  ]);
}

function tokensOf({ accessToken, accessTokenExpiresAt, refreshToken, credential }: Grant): TokenSet {
  return { accessToken, accessTokenExpiresAt, refreshToken, credential };
}

/** A grant that came by itself, or ends an attempt. */
export interface GrantToKeep extends Omit<GrantToStore, "attempt"> {
  /** With the connection that was to be renewed, where there is one. */
  readonly consent: Pick<ConnectAttempt, "owner" | "connector"> & Partial<Pick<ConnectAttempt, "connectionId">>;
  readonly now: Date;
}

/** Makes a grant a connection within a larger transaction; otherwise as `storeGrant`. */
export async function keepGrant(deps: Dependencies, tx: Tx, work: GrantToKeep): Promise<Connection> {
  const { consent, grant, now } = work;
  const facts = consentFacts(deps, work, now);
  const placed = await placeConsent(deps, tx, { facts, grant, renewedId: consent.connectionId });
  const { connection, acts, secrets } = placed;
  const stored = secrets.length === 0 ? [] : [await storeSecrets(deps.storage, tx, { connection, secrets, now })];
  const { connectionId, connector } = connection;
  const common = { connectionId, connector, institutionId: grant.institutionId };
  await appendAudit(deps.storage, tx, { owner: consent.owner, actor: work.actor, now }, [
    { action: "token_exchange", outcome: "ok", ...common, durationMs: work.durationMs },
    { action: "connect", outcome: "ok", ...common, durationMs: work.durationMs },
    ...acts,
    ...stored,
  ]);
  if (deps.connectors.get(consent.connector)?.syncTransactions !== undefined) {
    const run = { connection, kind: "transactions", trigger: "connect", requestedBy: work.actor.name, now } as const;
    await enqueueRun(tx, run);
  }
  return (await findConnection(tx, connection)) ?? connection;
}

/** Where a grant has gone, and what of it is to be stored there. */
interface Placed {
  readonly connection: Connection;
  readonly acts: AuditAct[];
  readonly secrets: NewSecret[];
}

async function placeConsent(
  deps: Dependencies,
  tx: Tx,
  work: { facts: ConsentFacts; grant: Grant; renewedId: string | undefined },
): Promise<Placed> {
  const { facts, grant, renewedId } = work;
  const same = await lockSameConnections(tx, facts);
  if (same.length === 0 && grant.takesPlace === true) same.push(...(await lockRenewed(tx, facts, renewedId)));
  if (same.length === 0) {
    const inserted = await insertConsent(tx, facts);
    if (inserted !== undefined) return { connection: inserted, acts: [], secrets: secretsOf(grant) };
    same.push(...(await lockSameConnections(tx, facts)));
  }
  const [existing, ...further] = same;
  if (existing === undefined) throw new Error("a connection that was just made is gone");
  const replaced: AuditAct[] = [];
  for (const connection of further) replaced.push(...(await endReplaced(deps, tx, connection, facts.now)));
  const placed = await supersede(deps, tx, { existing, facts, grant });
  return { ...placed, acts: [...replaced, ...placed.acts] };
}

/** What was to be renewed at this institution, as long as it is alive. */
async function lockRenewed(
  tx: Tx,
  { owner, institutionId }: ConsentFacts,
  connectionId: string | undefined,
): Promise<Connection[]> {
  if (connectionId === undefined) return [];
  const renewed = await lockConnection(tx, { owner, connectionId });
  const fits = renewed !== undefined && renewed.state !== "REVOKED" && renewed.institutionId === institutionId;
  return fits ? [renewed] : [];
}

/** The same accounts, linked before there was a way to see it: one connection shows them. */
async function endReplaced(deps: Dependencies, tx: Tx, connection: Connection, now: Date): Promise<AuditAct[]> {
  const { acts } = await endAndQueue(deps, tx, { connection, outcome: "replaced", now });
  await dropNotices(tx, connection);
  await deleteProviderData(tx, connection);
  return acts;
}

async function supersede(
  deps: Dependencies,
  tx: Tx,
  work: { existing: Connection; facts: ConsentFacts; grant: Grant },
): Promise<Placed> {
  const { existing, facts, grant } = work;
  const keepsToken = grant.keepsToken === true && existing.hasAccessToken;
  // No refusal, but to be tried again: the new token belongs to the consent that stands while it is fetched.
  if (keepsToken && existing.refreshHolder !== undefined) throw new Error("its token is being replaced");
  const stored = { connection: existing, purpose: "wallet_credential" } as const;
  const old = await compareSecret(deps.storage, tx, stored, grant.credential ?? "");
  // Only the credential: banks end a whole grant with its refresh token, and the new consent may share the old one's grant.
  if (old.outcome === "other") {
    const purposes = ["wallet_credential"] as const;
    await insertRevocationOf(deps.storage, tx, existing, { ...revocationOfOlder(facts.now), purposes });
  }
  const ended = await endOlderConsent(deps, tx, work);
  // The provider names everything anew, so that what is known would be shown twice.
  if (grant.takesPlace === true) await deleteProviderData(tx, existing);
  else if (existing.ownerReference !== facts.ownerReference) await restartSync(tx, existing);
  // Whatever its owner was to be told, he has acted.
  await dropNotices(tx, existing);
  const kept = new Set(secretsOf(grant).map((secret) => secret.purpose));
  const all: SecretPurpose[] = ["access_token", "refresh_token", "wallet_credential"];
  const stale = all.filter((purpose) => !kept.has(purpose));
  const deleted = stale.length === 0 ? [] : [await deleteSecrets(tx, existing, stale)];
  return {
    connection: await replaceConsent(tx, existing, { facts, keepsToken }),
    acts: [...old.alerts, ...ended, ...deleted],
    secrets: secretsOf(grant).filter(({ purpose }) => !(keepsToken && purpose === "access_token")),
  };
}

/** A consent the provider knows by another name than the new one would go on beside it, unused, until it ends by itself. */
async function endOlderConsent(
  deps: Dependencies,
  tx: Tx,
  { existing, facts }: { existing: Connection; facts: ConsentFacts },
): Promise<readonly AuditAct[]> {
  const { providerReference } = existing;
  if (providerReference === "" || providerReference === facts.providerReference) return [];
  const purposes = ["refresh_token", "access_token"] as const;
  const revocation = { ...revocationOfOlder(facts.now), purposes, facts: { providerReference } };
  return await insertRevocationOf(deps.storage, tx, existing, revocation);
}

function revocationOfOlder(now: Date) {
  return { ...revocationTimes(now), revocationId: randomUUID(), cause: "superseded" } as const;
}

function consentFacts(deps: Dependencies, { consent, grant }: GrantToKeep, now: Date): ConsentFacts {
  const { accessTokenExpiresAt, credentialExpiresAt, consentExpiresAt } = grant;
  const hasRefreshToken = grant.refreshToken !== undefined;
  const hasCredential = grant.credential !== undefined;
  return {
    owner: consent.owner,
    newConnectionId: randomUUID(),
    connector: consent.connector,
    institutionId: grant.institutionId,
    institutionName: grant.institutionName,
    issuer: grant.issuer,
    ownerReference: grant.ownerReference,
    providerReference: grant.providerReference,
    accountsHash: accountsHashOf(deps, grant),
    standing: nextStanding(
      { state: "ACTIVE", reason: "" },
      { kind: "consented", hasCredential: hasCredential || !knowsCards(deps, consent), hasAccessToken: true },
    ),
    hasAccessToken: true,
    hasRefreshToken,
    hasCredential,
    accessTokenExpiresAt,
    credentialExpiresAt,
    consentExpiresAt,
    refreshDueAt: refreshDueAt({ now, storedAt: now, accessTokenExpiresAt, credentialExpiresAt, hasRefreshToken }),
    now,
  };
}

function accountsHashOf(deps: Dependencies, { lastingAccountIds }: Grant): Uint8Array | undefined {
  if (lastingAccountIds === undefined || lastingAccountIds.length === 0) return undefined;
  return keyedHash(deps.storage.auditKey, `accounts ${JSON.stringify(lastingAccountIds.toSorted())}`);
}

function secretsOf(grant: Grant): NewSecret[] {
  const secrets: NewSecret[] = [
    { purpose: "access_token", plaintext: grant.accessToken, expiresAt: grant.accessTokenExpiresAt },
  ];
  if (grant.refreshToken !== undefined) {
    secrets.push({ purpose: "refresh_token", plaintext: grant.refreshToken, expiresAt: undefined });
  }
  if (grant.credential !== undefined) {
    secrets.push({ purpose: "wallet_credential", plaintext: grant.credential, expiresAt: grant.credentialExpiresAt });
  }
  return secrets;
}
