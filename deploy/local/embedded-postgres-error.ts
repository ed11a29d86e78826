/** The embedded PostgreSQL cannot be used; the message is one line that says what to do. */
export class EmbeddedPostgresError extends Error {
  override readonly name = "EmbeddedPostgresError";
}
