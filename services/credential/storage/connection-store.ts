import { sql } from "kysely";
import type { HotStatement } from "../../platform/db/hot-statements.ts";
import type { Database } from "../../platform/db/open-database.ts";
import { isUuid } from "../../platform/ids/uuidv7.ts";
import type {
  Connection,
  ConnectionKey,
  ConnectionSettings,
  ConnectionStatus,
  Owner,
  ShownConnection,
  StateReason,
} from "../domain/connection.ts";
import type { Standing } from "../domain/connection-state.ts";
import { inLockOrder, keyArrays } from "./key-columns.ts";
import type { Queryable, Tx } from "./storage.ts";
import type { ConnectionRow, Tables } from "./tables.ts";

const connectionsPerOwnerMax = 200;

/** What `toConnection` reads of a row named `c`, for hot statements. */
export const connectionColumns = `c.tenant, c.user_id, c.connection_id, c.connector, c.institution_id, c.institution_name, c.issuer,
  c.owner_reference, c.provider_reference, c.state, c.state_reason, c.generation, c.token_version, c.has_access_token,
  c.has_refresh_token, c.has_credential, c.access_token_expires_at, c.credential_expires_at, c.consent_expires_at, c.last_sync_at,
  c.settings, c.refresh_epoch, c.refresh_holder, c.refresh_outcome, c.refresh_failures, c.connected_at, c.consented_at,
  c.updated_at`;

/** A connection of this owner; another owner's id finds nothing. */
export async function findConnection(db: Queryable, key: ConnectionKey): Promise<Connection | undefined> {
  if (!isUuid(key.connectionId)) return undefined;
  const row = await ofKey(db, key).executeTakeFirst();
  return row && toConnection(row);
}

/** The same, with its status. */
export async function findShownConnection(db: Queryable, key: ConnectionKey): Promise<ShownConnection | undefined> {
  if (!isUuid(key.connectionId)) return undefined;
  const row = await ofKey(db, key).select(statusOf).executeTakeFirst();
  return row && { ...toConnection(row), status: row.status };
}

function ofKey(db: Queryable, key: ConnectionKey) {
  return db
    .selectFrom("connections as c")
    .selectAll("c")
    .where("c.tenant", "=", key.owner.tenant)
    .where("c.user_id", "=", key.owner.userId)
    .where("c.connection_id", "=", key.connectionId);
}

// What operators are shown is what apps are told: the one definition is that view's.
const statusOf = sql<ConnectionStatus>`(select v.status from connector_connections v
  where v.tenant = c.tenant and v.user_id = c.user_id and v.id = c.connection_id)`.as("status");

/** Connections a provider names so, disconnected ones included, the newest consent first, at most 200. */
export async function findConnectionsNamed(
  db: Queryable,
  name: { connector: string; providerReference: string },
): Promise<Connection[]> {
  const rows = await db
    .selectFrom("connections")
    .selectAll()
    .where("connector", "=", name.connector)
    .where("provider_reference", "=", name.providerReference)
    .orderBy("connected_at", "desc")
    .limit(connectionsPerOwnerMax)
    .execute();
  return rows.map(toConnection);
}

/** An owner's connections that are not disconnected, oldest first, at most 200. */
export async function listConnections(db: Queryable, owner: Owner): Promise<Connection[]> {
  return (await liveOf(db, owner).execute()).map(toConnection);
}

/** The same, with their status. */
export async function listShownConnections(db: Queryable, owner: Owner): Promise<ShownConnection[]> {
  const rows = await liveOf(db, owner).select(statusOf).execute();
  return rows.map((row) => ({ ...toConnection(row), status: row.status }));
}

function liveOf(db: Queryable, owner: Owner) {
  return db
    .selectFrom("connections as c")
    .selectAll("c")
    .where("c.tenant", "=", owner.tenant)
    .where("c.user_id", "=", owner.userId)
    .where("c.state", "<>", "REVOKED")
    .orderBy("c.connected_at")
    .orderBy("c.connection_id")
    .limit(connectionsPerOwnerMax);
}

const listBesides: HotStatement = {
  name: "credential_list_besides",
  text: `select ${connectionColumns} from connections c
    where tenant = $1 and user_id = $2 and state <> 'REVOKED' and connector <> $3
    order by connected_at, connection_id limit ${connectionsPerOwnerMax}`,
};

/** An owner's connections of other connectors than this one, else as `listConnections`. */
export async function listConnectionsBesides(
  db: Pick<Database<Tables>, "hot">,
  owner: Owner,
  connector: string,
): Promise<Connection[]> {
  const rows = await db.hot<ConnectionRow>(listBesides, [owner.tenant, owner.userId, connector]);
  return rows.map(toConnection);
}

/** How many live connections an owner has; the limit of a new one is checked against it. */
export async function hasRoomForConnection(db: Queryable, owner: Owner): Promise<boolean> {
  return (await listConnections(db, owner)).length < connectionsPerOwnerMax;
}

/** Locks a connection for the rest of the transaction. */
export async function lockConnection(tx: Tx, key: ConnectionKey): Promise<Connection | undefined> {
  if (!isUuid(key.connectionId)) return undefined;
  const row = await tx
    .selectFrom("connections")
    .selectAll()
    .where("tenant", "=", key.owner.tenant)
    .where("user_id", "=", key.owner.userId)
    .where("connection_id", "=", key.connectionId)
    .forUpdate()
    .executeTakeFirst();
  return row && toConnection(row);
}

/** Locks connections for the rest of the transaction, by id; one that is gone is not in the answer. */
export async function lockConnections(tx: Tx, keys: readonly ConnectionKey[]): Promise<Map<string, Connection>> {
  const { rows } = await sql<ConnectionRow>`
    select held.* from unnest(${keyArrays(inLockOrder(keys))}) as wanted (tenant, user_id, connection_id)
    join connections held on held.tenant = wanted.tenant and held.user_id = wanted.user_id
      and held.connection_id = wanted.connection_id
    order by held.tenant, held.user_id, held.connection_id for update of held`.execute(tx);
  return new Map(rows.map((row) => [row.connection_id, toConnection(row)]));
}

/** Sets state and reason of a locked connection when they differ; true when something changed. */
export async function setStanding(tx: Tx, connection: Connection, standing: Standing, now: Date): Promise<boolean> {
  if (connection.state === standing.state && connection.stateReason === standing.reason) return false;
  await tx
    .updateTable("connections")
    .set({ state: standing.state, state_reason: standing.reason, state_since: now, updated_at: now })
    .where("tenant", "=", connection.owner.tenant)
    .where("user_id", "=", connection.owner.userId)
    .where("connection_id", "=", connection.connectionId)
    .execute();
  return true;
}

/** What a page of connections that need their user starts after. */
export interface NeedingUserCursor {
  readonly since: Date;
  readonly connectionId: string;
}

/** Connections in state EXPIRED over all owners, the longest waiting first; for operators. */
export async function listConnectionsNeedingUser(
  db: Queryable,
  page: { institutionId: string | undefined; after: NeedingUserCursor | undefined; limit: number },
): Promise<(Connection & { readonly since: Date })[]> {
  let query = db.selectFrom("connections").selectAll().where("state", "=", "EXPIRED");
  if (page.institutionId !== undefined) query = query.where("institution_id", "=", page.institutionId);
  if (page.after !== undefined) {
    const { since, connectionId } = page.after;
    query = query.where(sql<boolean>`(state_since, connection_id) > (${since}::timestamptz, ${connectionId}::uuid)`);
  }
  const rows = await query.orderBy("state_since").orderBy("connection_id").limit(page.limit).execute();
  return rows.map((row) => ({ ...toConnection(row), since: row.state_since }));
}

/** Keys of connections whose wallet credential has ended while their state does not say so yet. */
export async function findEndedCredentials(db: Queryable, now: Date, limit: number): Promise<ConnectionKey[]> {
  const rows = await db
    .selectFrom("connections")
    .select(["tenant", "user_id", "connection_id"])
    .where("state", "in", ["ACTIVE", "ERROR"])
    .where("credential_expires_at", "<=", now)
    .orderBy("credential_expires_at")
    .limit(limit)
    .execute();
  return rows.map(toKey);
}

/** The key of a row. */
export function toKey(row: Pick<ConnectionRow, "tenant" | "user_id" | "connection_id">): ConnectionKey {
  return { owner: { tenant: row.tenant, userId: row.user_id }, connectionId: row.connection_id };
}

/** A row as the domain sees it. */
export function toConnection(row: ConnectionRow): Connection {
  return {
    ...toKey(row),
    connector: row.connector,
    institutionId: row.institution_id,
    institutionName: row.institution_name,
    issuer: row.issuer,
    ownerReference: row.owner_reference,
    providerReference: row.provider_reference ?? "",
    state: row.state,
    stateReason: row.state_reason as StateReason, // only setStanding and the consent store write it
    generation: row.generation,
    tokenVersion: row.token_version,
    hasAccessToken: row.has_access_token,
    hasRefreshToken: row.has_refresh_token,
    hasCredential: row.has_credential,
    accessTokenExpiresAt: row.access_token_expires_at ?? undefined,
    credentialExpiresAt: row.credential_expires_at ?? undefined,
    consentExpiresAt: row.consent_expires_at ?? undefined,
    lastSyncAt: row.last_sync_at ?? undefined,
    settings: row.settings,
    refreshEpoch: row.refresh_epoch,
    refreshHolder: row.refresh_holder ?? undefined,
    refreshOutcome: row.refresh_outcome ?? undefined,
    refreshFailures: row.refresh_failures,
    connectedAt: row.connected_at,
    consentedAt: row.consented_at ?? row.connected_at,
    updatedAt: row.updated_at,
  };
}

/** Sets when the consent of a locked connection ends. */
export async function setConsentEnd(tx: Tx, connection: Connection, endsAt: Date, now: Date): Promise<void> {
  await tx
    .updateTable("connections")
    .set({ consent_expires_at: endsAt, updated_at: now })
    .where("tenant", "=", connection.owner.tenant)
    .where("user_id", "=", connection.owner.userId)
    .where("connection_id", "=", connection.connectionId)
    .execute();
}

/** Saves what its owner set for a connection. */
export async function saveSettings(
  db: Queryable,
  key: ConnectionKey,
  settings: ConnectionSettings,
  now: Date,
): Promise<void> {
  await db
    .updateTable("connections")
    .set({ settings: JSON.stringify(settings), updated_at: now })
    .where("tenant", "=", key.owner.tenant)
    .where("user_id", "=", key.owner.userId)
    .where("connection_id", "=", key.connectionId)
    .execute();
}
