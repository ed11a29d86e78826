import { type Batcher, createBatcher } from "../../platform/db/batcher.ts";
import type { HotStatement } from "../../platform/db/hot-statements.ts";
import type { Database } from "../../platform/db/open-database.ts";
import { isUuid } from "../../platform/ids/uuidv7.ts";
import type { PlacedSecret } from "../../platform/vault/vault.ts";
import type { Connection, ConnectionKey } from "../domain/connection.ts";
import { connectionColumns, toConnection } from "./connection-store.ts";
import { isRowFault } from "./row-fault.ts";
import { type OpenedSecret, type Reader, secretPlaceOf } from "./secret-store.ts";
import type { Storage } from "./storage.ts";
import type { ConnectionRow, Tables } from "./tables.ts";

const keysMax = 100;
const waitingMax = 10_000;

/** A connection and, as one with it, its access token; undefined when it has none. */
export interface ConnectionForAccess {
  readonly connection: Connection;
  readonly access: PlacedSecret | undefined;
}

/** Reads connections that are about to be used; those asked for together by one statement. */
export interface AccessReads {
  /** A connection of this owner; another owner's id finds nothing. */
  find(key: ConnectionKey): Promise<ConnectionForAccess | undefined>;
}

/** Makes the reads of a process. */
export function createAccessReads(db: Pick<Database<Tables>, "hot">): AccessReads {
  const batcher: Batcher<ConnectionKey, ConnectionForAccess | undefined> = createBatcher({
    flush: (keys) => findAll(db, keys),
    rowsMax: keysMax,
    flightsMax: 2,
    waitingMax,
    isRowFault,
  });
  return Object.freeze({
    find: async (key: ConnectionKey) => (isUuid(key.connectionId) ? await batcher.add(key) : undefined),
  });
}

/** As `openSecret`, of an access token that was read together with its connection. */
export async function openAccess(
  storage: Pick<Storage, "openings">,
  { connection, access }: ConnectionForAccess,
  reader: Reader,
): Promise<OpenedSecret | undefined> {
  if (access === undefined) return undefined;
  const { connectionId, connector } = connection;
  const plaintext = await storage.openings.open({ ...access, ...reader, connectionId, connector });
  return { plaintext, recordVersion: access.place.recordVersion };
}

type AccessRow = ConnectionRow & {
  readonly asked: bigint;
  readonly record_version: number | null;
  readonly data_key_id: string | null;
  readonly ciphertext: Uint8Array | null;
};

// Lateral with a limit: each row is found by its whole key, the owner in it.
const findForAccess: HotStatement = {
  name: "credential_find_for_access",
  text: `select asked.position as asked, ${connectionColumns},
      secret.record_version, secret.data_key_id, secret.ciphertext
    from unnest($1::text[], $2::text[], $3::uuid[]) with ordinality as asked (tenant, user_id, connection_id, position)
    cross join lateral (
      select * from connections
      where tenant = asked.tenant and user_id = asked.user_id and connection_id = asked.connection_id limit 1
    ) as c
    left join lateral (
      select record_version, data_key_id, ciphertext from connection_secrets
      where tenant = asked.tenant and user_id = asked.user_id and connection_id = asked.connection_id
        and purpose = 'access_token' limit 1
    ) as secret on true`,
};

async function findAll(
  db: Pick<Database<Tables>, "hot">,
  keys: readonly ConnectionKey[],
): Promise<(ConnectionForAccess | undefined)[]> {
  const rows = await db.hot<AccessRow>(findForAccess, [
    keys.map(({ owner }) => owner.tenant),
    keys.map(({ owner }) => owner.userId),
    keys.map(({ connectionId }) => connectionId),
  ]);
  const found: (ConnectionForAccess | undefined)[] = keys.map(() => undefined);
  for (const row of rows) found[Number(row.asked) - 1] = toConnectionForAccess(row);
  return found;
}

function toConnectionForAccess(row: AccessRow): ConnectionForAccess {
  const connection = toConnection(row);
  const { record_version: recordVersion, data_key_id: dataKeyId, ciphertext } = row;
  if (recordVersion === null || dataKeyId === null || ciphertext === null) return { connection, access: undefined };
  const place = secretPlaceOf(connection, "access_token", recordVersion);
  return { connection, access: { place, sealed: { dataKeyId, ciphertext } } };
}
