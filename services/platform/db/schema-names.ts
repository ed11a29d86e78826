const schemaPattern = /^[a-z][a-z0-9_]{0,40}$/;

/**
 * Checks the name of a schema or role, which is written into statements that cannot take parameters.
 * @throws RangeError unless it is a lower-case identifier of at most 41 characters.
 */
export function checkedIdentifier(name: string): string {
  if (!schemaPattern.test(name)) throw new RangeError(`"${name.slice(0, 60)}" is not a lower-case SQL identifier`);
  return name;
}

/** The schema in which a service's job queue lives, beside its own. */
export function jobsSchemaOf(schema: string): string {
  return `${checkedIdentifier(schema)}_jobs`;
}
