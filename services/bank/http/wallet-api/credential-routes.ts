import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { DomainError } from "../../../platform/errors/domain-error.ts";
import { isUuid } from "../../../platform/ids/uuidv7.ts";
import { credentialState, scopeText, type WalletCredential } from "../../domain/wallet-credential.ts";
import type { Interactions } from "../../oidc/interactions.ts";
import type { CustomerStore } from "../../storage/customer-store.ts";
import type { RevokedBy } from "../../storage/wallet-credential-store.ts";
import { type CredentialCheckDeps, presentedCredential } from "./require-credential.ts";

/** What the routes about credentials need. */
export interface CredentialRoutesDeps extends CredentialCheckDeps {
  readonly customers: CustomerStore;
  readonly interactions: Pick<Interactions, "signedInAs">;
  /** The bank's own pages may act for a signed-in customer; no other origin may. */
  readonly origin: string;
}

type IdRequest = FastifyRequest<{ Params: { id: string } }>;

/** Adds status and revocation: by the credential itself, or by the customer who is signed in at the bank. Never public. */
export async function credentialRoutes(app: FastifyInstance, deps: CredentialRoutesDeps): Promise<void> {
  app.get("/status", async (request) => statusOf(await presentedCredential(deps, request), deps.clock.now()));

  app.post("/revoke", async (request) => {
    const { id } = await presentedCredential(deps, request);
    const { revokedAt } = await deps.credentials.revoke(id, "by_wallet", deps.clock.now());
    return { revoked: true, revokedAt: revokedAt.toISOString(), success: true, message: "Credential revoked" };
  });

  app.get("/credentials/:id/status", async (request: IdRequest, reply) => {
    const { credential } = await ownCredential(deps, request, reply);
    return statusOf(credential, deps.clock.now());
  });

  app.post("/credentials/:id/revoke", async (request: IdRequest, reply) => {
    const { credential, by } = await ownCredential(deps, request, reply);
    const { revokedAt, byThisCall } = await deps.credentials.revoke(credential.id, by, deps.clock.now());
    if (!byThisCall) throw new DomainError("ALREADY_REVOKED");
    return { success: true, message: "Credential revoked", revoked: true, revokedAt: revokedAt.toISOString() };
  });
}

/** The credential of the path, if the caller may speak for it: it is his own, or one of the signed-in customer's. */
async function ownCredential(
  deps: CredentialRoutesDeps,
  request: IdRequest,
  reply: FastifyReply,
): Promise<{ credential: WalletCredential; by: RevokedBy }> {
  const { id } = request.params;
  if (request.headers.authorization !== undefined) {
    const credential = await presentedCredential(deps, request);
    if (credential.id !== id) throw new DomainError("CREDENTIAL_OF_ANOTHER");
    return { credential, by: "by_wallet" };
  }
  const fiUserRef = await deps.interactions.signedInAs(request.raw, reply.raw);
  if (fiUserRef === undefined) throw new DomainError("CREDENTIAL_MISSING");
  // A cookie speaks for whoever holds the browser, so where the request comes from counts.
  const { origin } = request.headers;
  if (request.method !== "GET" && origin !== deps.origin) throw new DomainError("PERMISSION_DENIED");
  const customer = await deps.customers.findByRef(fiUserRef);
  const credential = isUuid(id) ? await deps.credentials.findById(id) : undefined;
  if (credential === undefined || credential.customerId !== customer?.id) throw new DomainError("NOT_FOUND");
  return { credential, by: "by_customer" };
}

function statusOf(credential: WalletCredential, now: Date) {
  const valid = credentialState(credential, now) === "active";
  return {
    valid,
    isValid: valid,
    expiresAt: credential.expiresAt.toISOString(),
    scope: scopeText(credential.scopes),
    scopes: credential.scopes,
    cardCount: credential.cardIds.length,
    id: credential.id,
    walletId: credential.walletId,
    walletName: credential.walletName,
    issuedAt: credential.issuedAt.toISOString(),
    ...(credential.revokedAt === undefined ? {} : { revokedAt: credential.revokedAt.toISOString() }),
    ...(credential.lastUsedAt === undefined ? {} : { lastUsedAt: credential.lastUsedAt.toISOString() }),
  };
}
