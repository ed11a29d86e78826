import { randomBytes } from "node:crypto";
import pg from "pg";

/** A database for one mesh that is thrown away with it. */
export interface ThrowawayDatabase {
  /** Its name, unique on the server; roles of the mesh begin with it and `_`. */
  readonly name: string;
  /** The administrator's address of it. */
  readonly url: string;
  /** Removes the database, whoever is connected, and the roles whose names begin with its own. */
  drop(): Promise<void>;
}

/** Creates an empty database on the server of `adminUrl`, whose role must be a superuser. */
export async function createThrowawayDatabase(adminUrl: string): Promise<ThrowawayDatabase> {
  const name = `mesh_${randomBytes(4).toString("hex")}`;
  await onServer(adminUrl, (client) => client.query(`create database ${name}`));
  const url = new URL(adminUrl);
  url.pathname = `/${name}`;
  return { name, url: url.href, drop: () => onServer(adminUrl, (client) => dropWithRoles(client, name)) };
}

/** The rows of a statement, by a connection of its own to this address. */
export async function rowsAt(url: string, text: string): Promise<unknown[]> {
  return (await onServer(url, (client) => client.query<Record<string, unknown>>(text))).rows;
}

async function dropWithRoles(client: pg.Client, name: string): Promise<void> {
  await client.query(`drop database if exists ${name} with (force)`);
  const { rows } = await client.query<{ rolname: string }>(
    "select rolname from pg_roles where starts_with(rolname, $1)",
    [`${name}_`],
  );
  for (const { rolname } of rows) await client.query(`drop role ${client.escapeIdentifier(rolname)}`);
}

async function onServer<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  return await work(client).finally(() => client.end());
}
