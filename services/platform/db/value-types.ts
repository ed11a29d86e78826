import pg from "pg";

const int8Oid = 20;

/**
 * How values leave PostgreSQL: int8 as `bigint` (a number would round above 2^53), timestamptz as `Date`, numeric as
 * text, json parsed; the rest as pg does it. Per connection, so nothing global in the process changes.
 */
export const valueTypes: pg.CustomTypesConfig = {
  getTypeParser: (oid: number, format?: "text" | "binary") => {
    if (oid === int8Oid && format !== "binary") return (text: string) => BigInt(text);
    // pg's own declarations disagree about the second argument; both spellings are accepted at run time.
    return pg.types.getTypeParser(oid, format as "text");
  },
};
