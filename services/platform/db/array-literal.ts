/** What an element of an array parameter may be. */
export type ArrayElement = string | number | bigint | boolean | Date | Uint8Array | null | undefined;

/**
 * A one-dimensional array in PostgreSQL's own text form, which a parameter of any array type takes. A batch of a hundred payments has
 * thousands of elements; the driver, which runs two replacements over each and writes dates piece by piece, makes much garbage of them.
 * Dates must be valid and of the years 0 to 9999, as `toISOString` writes them without a sign.
 */
export function arrayLiteral(values: readonly ArrayElement[]): string {
  let text = "{";
  for (let index = 0; index < values.length; index += 1) {
    if (index > 0) text += ",";
    text += elementText(values[index]);
  }
  return `${text}}`;
}

function elementText(value: ArrayElement): string {
  if (value === null || value === undefined) return "NULL";
  if (typeof value === "string") return quoted(value);
  if (typeof value !== "object") return String(value);
  if (value instanceof Date) return `"${value.toISOString()}"`;
  return `"\\\\x${Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("hex")}"`;
}

function quoted(value: string): string {
  const plain = value.includes("\\") ? value.replaceAll("\\", "\\\\") : value;
  return `"${plain.includes('"') ? plain.replaceAll('"', '\\"') : plain}"`;
}

/** The values of a statement with their arrays written out; everything else is left to the driver. */
export function withArrayLiterals(values: readonly unknown[]): unknown[] {
  // Callers give columns of one of the kinds above; an element of another kind would be refused by PostgreSQL.
  return values.map((value) => (Array.isArray(value) ? arrayLiteral(value as ArrayElement[]) : value));
}
