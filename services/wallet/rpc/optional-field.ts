/** A field for a message when there is a value, and nothing when there is none: absent and empty differ on the wire. */
export function optionalField<N extends string, T>(name: N, value: T | null | undefined): { [K in N]?: T } {
  // A computed name widens to string; it is `name` and nothing else.
  return value === null || value === undefined ? {} : ({ [name]: value } as { [K in N]: T });
}
