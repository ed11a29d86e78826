import type { FastifyRequest } from "fastify";
import { DomainError } from "../../../platform/errors/domain-error.ts";
import { bearerToken } from "../../../platform/oidc/jwt-token-endpoints.ts";
import type { Clock } from "../../../platform/time/clock.ts";
import { type CredentialScope, credentialState, type WalletCredential } from "../../domain/wallet-credential.ts";
import type { ReadCredential } from "../../oidc/read-credential.ts";
import type { WalletCredentialStore } from "../../storage/wallet-credential-store.ts";

/** What is needed to know a caller by his wallet credential. */
export interface CredentialCheckDeps {
  readonly readCredential: ReadCredential;
  readonly credentials: WalletCredentialStore;
  readonly clock: Clock;
}

/** The credential presented, revoked and expired ones too. Throws `CREDENTIAL_MISSING` or `CREDENTIAL_INVALID`. */
export async function presentedCredential(
  deps: CredentialCheckDeps,
  request: FastifyRequest,
): Promise<WalletCredential> {
  const token = bearerToken(request.headers.authorization);
  if (token === undefined) throw new DomainError("CREDENTIAL_MISSING");
  const credential = await deps.readCredential(token);
  if (credential === undefined) throw new DomainError("CREDENTIAL_INVALID");
  return credential;
}

/** A credential that may do this now. Throws the reason it may not; its use is recorded. */
export async function requireCredential(
  deps: CredentialCheckDeps,
  request: FastifyRequest,
  scope: CredentialScope,
): Promise<WalletCredential> {
  const credential = await presentedCredential(deps, request);
  const now = deps.clock.now();
  const state = credentialState(credential, now);
  if (state === "revoked") throw new DomainError("CREDENTIAL_REVOKED");
  if (state === "expired") throw new DomainError("CREDENTIAL_EXPIRED");
  if (!credential.scopes.includes(scope)) throw new DomainError("SCOPE_INSUFFICIENT", { scope });
  if (!(await deps.credentials.recordUse(credential.id, now))) throw new DomainError("CREDENTIAL_REVOKED");
  return credential;
}
