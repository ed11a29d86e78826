import type { FastifyRequest } from "fastify";
import { z } from "zod";
import { DomainError } from "../../../platform/errors/domain-error.ts";

/** The query of a call with one value a name: the first. */
export function queryOf(query: unknown): Readonly<Record<string, string>> {
  if (typeof query !== "object" || query === null) return {};
  const entries = Object.entries(query).map(
    ([name, value]) => [name, Array.isArray(value) ? value[0] : value] as const,
  );
  return Object.fromEntries(entries.filter((entry): entry is [string, string] => typeof entry[1] === "string"));
}

/** A field of a form or of a JSON object; undefined when it is absent, empty or no text. */
export function fieldOf(body: unknown, name: string): string | undefined {
  if (typeof body !== "object" || body === null || !Object.hasOwn(body, name)) return undefined;
  const value: unknown = Reflect.get(body, name);
  const first: unknown = Array.isArray(value) ? value[0] : value;
  return typeof first === "string" && first !== "" ? first : undefined;
}

/** A header given once and not empty. */
export function headerOf(request: FastifyRequest, name: string): string | undefined {
  const value = request.headers[name];
  return typeof value === "string" && value !== "" ? value : undefined;
}

/** User name and password of HTTP Basic authentication (RFC 7617); undefined when the header holds none. */
export function basicCredentials(
  header: string | undefined,
): { readonly username: string; readonly password: string } | undefined {
  const encoded = /^Basic ([A-Za-z0-9+/=]{1,1000})$/i.exec(header ?? "")?.[1];
  if (encoded === undefined) return undefined;
  const text = Buffer.from(encoded, "base64").toString("utf8");
  const at = text.indexOf(":");
  return at < 0 ? undefined : { username: text.slice(0, at), password: text.slice(at + 1) };
}

/** Optional members that may also be given as null. */
export function optional<S extends z.ZodType>(shape: S) {
  return shape.nullish().transform((value) => value ?? undefined);
}

/** Reads a body of the control API, whose errors have the product's shape. Throws `INVALID_ARGUMENT`. */
export function readControl<S extends z.ZodType>(shape: S, body: unknown): z.infer<S> {
  const parsed = shape.safeParse(body ?? {});
  if (parsed.success) return parsed.data;
  throw new DomainError("INVALID_ARGUMENT", { why: z.prettifyError(parsed.error) });
}
