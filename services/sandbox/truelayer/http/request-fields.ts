import { TrueLayerError } from "../domain/truelayer-error.ts";

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

/** The access token of a call. Throws `unauthorized` without one. */
export function bearerOf(header: string | undefined): string {
  const match = /^Bearer ([A-Za-z0-9._~+/=-]{1,4000})$/i.exec(header ?? "");
  if (match?.[1] === undefined) throw new TrueLayerError("unauthorized", "An access token is required.");
  return match[1];
}
