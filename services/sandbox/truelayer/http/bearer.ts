import { TrueLayerError } from "../domain/truelayer-error.ts";

/** The access token of a call. Throws `unauthorized` without one. */
export function bearerOf(header: string | undefined): string {
  const match = /^Bearer ([A-Za-z0-9._~+/=-]{1,4000})$/i.exec(header ?? "");
  if (match?.[1] === undefined) throw new TrueLayerError("unauthorized", "An access token is required.");
  return match[1];
}
