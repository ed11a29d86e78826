const explanations: Readonly<Record<string, string>> = {
  ECONNREFUSED: "nothing listens there; start PostgreSQL or correct the host and port",
  ENOTFOUND: "the host is unknown; correct it",
  EAI_AGAIN: "the host's name cannot be resolved now; correct it or check the network",
  ETIMEDOUT: "the server does not answer; check host, port and firewall",
  "28P01": "the password is wrong",
  "28000": "the role may not log in from here",
  "3D000": "the database does not exist; create it",
  "42501": "the role lacks a right; use one that may create roles and schemas",
  "53300": "the server has no free connection; raise max_connections",
};

/**
 * One line for a person who has to correct a connection address: where it points (never its password), and what to do.
 */
export function explainConnectionError(url: string, error: unknown): string {
  const code = codeOf(error);
  const text = error instanceof Error ? error.message.split("\n")[0] : String(error);
  return `cannot use the database at ${placeOf(url)}: ${(code && explanations[code]) || text}`;
}

function codeOf(error: unknown): string | undefined {
  if (error instanceof AggregateError) return codeOf(error.errors[0]);
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}

function placeOf(url: string): string {
  if (!URL.canParse(url)) return "the given address (it is not a postgres:// URL)";
  const parsed = new URL(url);
  return `${parsed.host}${parsed.pathname}`;
}
