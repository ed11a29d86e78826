import type { ConnectionAccess } from "../connector.ts";
import { ProviderError } from "../provider-error.ts";

/** One login of a customer at an institution: what a connection is, and all its secret says. */
export interface LoginAccess {
  readonly customerId: string;
  readonly loginId: string;
}

/** The text that is sealed in place of a token. */
export function writeLoginAccess({ customerId, loginId }: LoginAccess): string {
  return `${customerId}/${loginId}`;
}

/** Reads it. Throws `ProviderError` for what is none. */
export function readLoginAccess(accessToken: ConnectionAccess["accessToken"]): LoginAccess {
  const match = /^(\d{1,19})\/(\d{1,19})$/.exec(accessToken);
  const [, customerId, loginId] = match ?? [];
  if (customerId === undefined || loginId === undefined) throw new ProviderError("grant_refused");
  return { customerId, loginId };
}
