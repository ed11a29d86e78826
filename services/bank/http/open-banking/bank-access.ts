import type { FastifyReply, FastifyRequest } from "fastify";
import { DomainError } from "../../../platform/errors/domain-error.ts";

/** What a verified access token of this bank allows. */
export interface BankAccess {
  /** The customer, by the pseudonymous reference that is the token's `sub`. */
  readonly fiUserRef: string;
  readonly clientId: string;
  readonly scopes: ReadonlySet<string>;
  /** The deposit accounts the customer agreed to show to this client. */
  readonly accountIds: readonly string[];
}

/**
 * Verifies an access token issued by this bank for its Open Banking audience: signature, issuer, audience, end, and that
 * neither it nor its grant was revoked. Undefined for any other text.
 */
export type ReadBankAccess = (accessToken: string) => Promise<BankAccess | undefined>;

const bearer = /^Bearer ([\w.~+/-]+=*)$/i;

/** The access of a request, with the scope it needs. Throws `TOKEN_MISSING`, `TOKEN_INVALID` or `SCOPE_INSUFFICIENT`. */
export async function requireAccess(
  readAccess: ReadBankAccess,
  request: FastifyRequest,
  reply: FastifyReply,
  scope: string | undefined,
): Promise<BankAccess> {
  const header = request.headers.authorization;
  if (header === undefined) {
    reply.header("www-authenticate", "Bearer");
    throw new DomainError("TOKEN_MISSING");
  }
  const token = bearer.exec(header)?.[1];
  const access = token === undefined ? undefined : await readAccess(token);
  if (access === undefined) {
    reply.header("www-authenticate", 'Bearer error="invalid_token"');
    throw new DomainError("TOKEN_INVALID");
  }
  if (scope !== undefined && !access.scopes.has(scope)) {
    reply.header("www-authenticate", `Bearer error="insufficient_scope", scope="${scope}"`);
    throw new DomainError("SCOPE_INSUFFICIENT", { scope });
  }
  return access;
}
