import type { z } from "zod";
import { type PlaidError, plaidError } from "../domain/plaid-error.ts";

/** Reads a body by its shape. Throws Plaid's MISSING_FIELDS or INVALID_FIELD, naming the members. */
export function readRequest<S extends z.ZodType>(shape: S, body: unknown): z.infer<S> {
  const parsed = shape.safeParse(body ?? {});
  if (parsed.success) return parsed.data;
  throw requestError(parsed.error, body);
}

function requestError(error: z.ZodError, body: unknown): PlaidError {
  const missing = error.issues.filter((issue) => isMissing(issue.path, body)).map((issue) => issue.path.join("."));
  if (missing.length > 0) {
    return plaidError("MISSING_FIELDS", `the following required fields are missing: ${missing.join(", ")}`);
  }
  const issue = error.issues[0];
  return plaidError(
    "INVALID_FIELD",
    `${issue?.path.join(".") || "body"} is invalid: ${issue?.message ?? "not readable"}`,
  );
}

function isMissing(path: readonly PropertyKey[], body: unknown): boolean {
  let value: unknown = body;
  for (const step of path) {
    if (typeof value !== "object" || value === null) return value === undefined;
    value = Reflect.get(value, step);
  }
  return value === undefined && path.length > 0;
}
