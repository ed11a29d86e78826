import pg from "pg";
import { checkedIdentifier } from "./schema-names.ts";
import { refuseForeignSchemas, type SchemaOwner, signSchemas } from "./schema-owner.ts";
import { scramVerifier } from "./scram-verifier.ts";

const connectTimeoutMs = 5_000;

/** One service's place in the database. */
export interface ServiceRole {
  readonly schema: string;
  readonly role: string;
  /** Printable ASCII, no spaces. */
  readonly password: string;
}

/** Who owns the schemas, and which services get one. */
export interface ProvisionOptions {
  /** A role that may create roles and schemas; it owns the tables and runs the migrations. */
  readonly adminUrl: string;
  readonly services: readonly ServiceRole[];
  /** Whose the schemas are; anybody's when absent. */
  readonly owner?: SchemaOwner;
}

/**
 * Creates a login role and a schema for each service, or brings existing ones to this state. A service's role reads and
 * writes the rows of its own schema, including tables that later migrations of the same owner add; it cannot change
 * tables nor see another schema. Repeating it is harmless, also at the same time; it resets the passwords.
 * @throws ForeignSchemaError, with nothing changed, when a schema is another owner's.
 */
export async function provisionDatabase(options: ProvisionOptions): Promise<void> {
  const client = new pg.Client({
    connectionString: options.adminUrl,
    application_name: "paymesh-provision",
    connectionTimeoutMillis: connectTimeoutMs,
  });
  await client.connect();
  try {
    await client.query("begin");
    // Two starts that alter one role at once would fail with "tuple concurrently updated".
    await client.query("select pg_advisory_xact_lock(hashtextextended('paymesh_provision', 0))");
    const schemas = options.services.map(({ schema }) => checkedIdentifier(schema));
    if (options.owner !== undefined) await refuseForeignSchemas(client, schemas, options.owner);
    for (const service of options.services) await provision(client, service);
    if (options.owner !== undefined) await signSchemas(client, schemas, options.owner);
    await client.query("commit");
  } finally {
    await client.end();
  }
}

async function provision(client: pg.Client, service: ServiceRole): Promise<void> {
  const schema = checkedIdentifier(service.schema);
  const role = checkedIdentifier(service.role);
  const verifier = client.escapeLiteral(await scramVerifier(service.password));
  const existing = await client.query("select 1 from pg_roles where rolname = $1", [role]);
  await client.query(`${existing.rowCount === 0 ? "create" : "alter"} role ${role} login password ${verifier}`);
  await client.query(`create schema if not exists ${schema}`);
  await grantRows(client, { schema, role });
}

/** Lets a role use the rows, sequences and functions of a schema, those that the owner creates later included. */
export async function grantRows(client: pg.Client, names: { schema: string; role: string }): Promise<void> {
  const schema = checkedIdentifier(names.schema);
  const role = checkedIdentifier(names.role);
  const rights: readonly (readonly [string, string])[] = [
    ["select, insert, update, delete", "tables"],
    ["usage, select", "sequences"],
    ["execute", "functions"],
  ];
  await client.query(`grant usage on schema ${schema} to ${role}`);
  for (const [right, kind] of rights) {
    await client.query(`grant ${right} on all ${kind} in schema ${schema} to ${role}`);
    await client.query(`alter default privileges in schema ${schema} grant ${right} on ${kind} to ${role}`);
  }
}
