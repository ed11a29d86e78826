import { sql } from "kysely";
import type { Connection, Owner } from "../domain/connection.ts";
import type { Standing } from "../domain/connection-state.ts";
import { findConnection, toConnection } from "./connection-store.ts";
import type { Tx } from "./storage.ts";

/** A consent as it becomes a connection. */
export interface ConsentFacts {
  readonly owner: Owner;
  /** Used when the owner has no live connection to this bank user yet. */
  readonly newConnectionId: string;
  readonly connector: string;
  readonly institutionId: string;
  readonly institutionName: string;
  readonly issuer: string;
  readonly ownerReference: string;
  readonly providerReference: string;
  /** Undefined: not known; a renewed connection keeps what it had. */
  readonly accountsHash?: Uint8Array | undefined;
  readonly standing: Standing;
  readonly hasAccessToken: boolean;
  readonly hasRefreshToken: boolean;
  readonly hasCredential: boolean;
  readonly accessTokenExpiresAt: Date | undefined;
  readonly credentialExpiresAt: Date | undefined;
  readonly consentExpiresAt: Date | undefined;
  readonly refreshDueAt: Date | undefined;
  readonly now: Date;
}

/** A connection that nobody is refreshing, and whose provider has nothing open with it. */
const noFlight = { refresh_holder: null, refresh_lease_until: null, refresh_unsettled: false };

/**
 * The owner's live connections to this bank user, locked: the one of the same reference first, then those with the same accounts, whose
 * place this consent takes. None when it is the first. When two first consents arrive together the second waits in `insertConsent` and
 * finds the first's row.
 */
export async function lockSameConnections(
  tx: Tx,
  facts: Pick<ConsentFacts, "owner" | "connector" | "institutionId" | "ownerReference" | "accountsHash">,
): Promise<Connection[]> {
  const hash = facts.accountsHash === undefined ? null : Buffer.from(facts.accountsHash);
  const rows = await tx
    .selectFrom("connections")
    .selectAll()
    .where("tenant", "=", facts.owner.tenant)
    .where("user_id", "=", facts.owner.userId)
    .where("connector", "=", facts.connector)
    .where("institution_id", "=", facts.institutionId)
    .where(sql<boolean>`(owner_reference = ${facts.ownerReference} or accounts_hash = ${hash}::bytea)`)
    .where("state", "<>", "REVOKED")
    .orderBy("connection_id")
    .forUpdate()
    .execute();
  const same = rows.map(toConnection);
  const isOwn = (each: Connection) => each.ownerReference === facts.ownerReference;
  return [...same.filter(isOwn), ...same.filter((each) => !isOwn(each))];
}

/** The owner's live connection of this very reference, locked. */
export async function lockBankUserConnection(
  tx: Tx,
  facts: Pick<ConsentFacts, "owner" | "connector" | "institutionId" | "ownerReference">,
): Promise<Connection | undefined> {
  const [found] = await lockSameConnections(tx, { ...facts, accountsHash: undefined });
  return found;
}

/** Makes the connection of a first consent; undefined when another transaction made it first. */
export async function insertConsent(tx: Tx, facts: ConsentFacts): Promise<Connection | undefined> {
  const row = await tx
    .insertInto("connections")
    .values({
      tenant: facts.owner.tenant,
      user_id: facts.owner.userId,
      connection_id: facts.newConnectionId,
      connector: facts.connector,
      institution_id: facts.institutionId,
      generation: 1,
      token_version: 1n,
      secrets_version: 0,
      state_since: facts.now,
      refresh_epoch: 0n,
      ...noFlight,
      refresh_failures: 0,
      connected_at: facts.now,
      ...grantColumns(facts),
    })
    .onConflict((conflict) => conflict.doNothing())
    .returningAll()
    .executeTakeFirst();
  return row && toConnection(row);
}

/**
 * Puts a new consent into a locked connection, which keeps its id. The generation fences every refresh of the old consent that
 * is still under way: whatever it answers belongs to tokens that are no longer here. One that keeps its token stays due.
 */
export async function replaceConsent(
  tx: Tx,
  current: Connection,
  { facts, keepsToken }: { readonly facts: ConsentFacts; readonly keepsToken: boolean },
): Promise<Connection> {
  const { owner, connectionId } = current;
  await tx
    .updateTable("connections")
    .set({
      generation: sql<number>`generation + 1`,
      token_version: sql<bigint>`token_version + 1`,
      refresh_epoch: sql<bigint>`refresh_epoch + 1`,
      ...noFlight,
      refresh_failures: 0,
      state_since: facts.now,
      ...grantColumns(facts),
      ...(keepsToken ? { refresh_due_at: sql<Date | null>`refresh_due_at` } : {}),
    })
    .where("tenant", "=", owner.tenant)
    .where("user_id", "=", owner.userId)
    .where("connection_id", "=", connectionId)
    .execute();
  await deleteJournal(tx, current);
  const replaced = await findConnection(tx, current);
  if (replaced === undefined) throw new Error("a locked connection is gone");
  return replaced;
}

/** Ends a locked connection for good: nothing is stored, due or in flight for it any more. */
export async function endConnection(tx: Tx, current: Connection, standing: Standing, now: Date): Promise<void> {
  const { owner, connectionId } = current;
  await tx
    .updateTable("connections")
    .set({
      state: standing.state,
      state_reason: standing.reason,
      state_since: now,
      generation: sql<number>`generation + 1`,
      refresh_epoch: sql<bigint>`refresh_epoch + 1`,
      ...noFlight,
      refresh_due_at: null,
      has_access_token: false,
      has_refresh_token: false,
      has_credential: false,
      access_token_expires_at: null,
      credential_expires_at: null,
      updated_at: now,
    })
    .where("tenant", "=", owner.tenant)
    .where("user_id", "=", owner.userId)
    .where("connection_id", "=", connectionId)
    .execute();
  await deleteJournal(tx, current);
}

/** Nothing of an older consent's flights is left to be replayed or wondered about. */
async function deleteJournal(tx: Tx, { owner, connectionId }: Connection): Promise<void> {
  for (const table of ["refresh_journal", "refresh_intents"] as const) {
    await tx
      .deleteFrom(table)
      .where("tenant", "=", owner.tenant)
      .where("user_id", "=", owner.userId)
      .where("connection_id", "=", connectionId)
      .execute();
  }
}

function grantColumns(facts: ConsentFacts) {
  return {
    issuer: facts.issuer,
    institution_name: facts.institutionName,
    owner_reference: facts.ownerReference,
    ...(facts.accountsHash === undefined ? {} : { accounts_hash: Buffer.from(facts.accountsHash) }),
    provider_reference: facts.providerReference === "" ? null : facts.providerReference,
    consent_expires_at: facts.consentExpiresAt ?? null,
    state: facts.standing.state,
    state_reason: facts.standing.reason,
    has_access_token: facts.hasAccessToken,
    has_refresh_token: facts.hasRefreshToken,
    has_credential: facts.hasCredential,
    access_token_expires_at: facts.accessTokenExpiresAt ?? null,
    credential_expires_at: facts.credentialExpiresAt ?? null,
    refresh_due_at: facts.refreshDueAt ?? null,
    refresh_outcome: null,
    consented_at: facts.now,
    updated_at: facts.now,
  };
}
