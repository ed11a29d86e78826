import type pg from "pg";

/** Whose records a schema holds: those of one set of keys. */
export interface SchemaOwner {
  /** Lower-case letters and digits; kept in the clear as the schema's comment. */
  readonly id: string;
  /** True for an owner older than the marks: schemas that hold something and bear none are its own. */
  readonly takesUnmarked: boolean;
}

/** A schema holds the records of another owner, which this one's keys do not open. */
export class ForeignSchemaError extends Error {
  override readonly name = "ForeignSchemaError";
  readonly schema: string;
  constructor(schema: string) {
    super(`the schema ${schema} holds the records of another owner`);
    this.schema = schema;
  }
}

const markBefore = "paymesh installation ";

interface FoundSchema {
  readonly schema: string;
  readonly comment: string | null;
  readonly is_empty: boolean;
}

/**
 * Throws ForeignSchemaError when one of the schemas, as far as they exist, is not this owner's. In the transaction that makes
 * and signs them, under its lock: a schema that is ours is then never seen without its mark.
 */
export async function refuseForeignSchemas(
  client: pg.Client,
  schemas: readonly string[],
  owner: SchemaOwner,
): Promise<void> {
  const { rows } = await client.query<FoundSchema>(
    `select nspname as schema, obj_description(n.oid, 'pg_namespace') as comment,
        not exists (select from pg_class where relnamespace = n.oid) as is_empty
      from pg_namespace n where nspname = any($1) order by nspname`,
    [schemas],
  );
  const foreign = rows.find(({ comment, is_empty: isEmpty }) =>
    comment?.startsWith(markBefore) ? comment !== markOf(owner) : !isEmpty && !owner.takesUnmarked,
  );
  if (foreign !== undefined) throw new ForeignSchemaError(foreign.schema);
}

/** Writes whose they are into schemas that do not say so yet. */
export async function signSchemas(client: pg.Client, schemas: readonly string[], owner: SchemaOwner): Promise<void> {
  const mark = client.escapeLiteral(markOf(owner));
  for (const schema of schemas) await client.query(`comment on schema ${schema} is ${mark}`);
}

function markOf(owner: SchemaOwner): string {
  return `${markBefore}${owner.id}`;
}
