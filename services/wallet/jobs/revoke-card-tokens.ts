import { ConnectionError } from "../clients/credential-connections.ts";
import type { OidcDeps } from "../oidc/oidc-deps.ts";
import {
  claimRevocations,
  type DueRevocation,
  deleteRevocation,
  postponeRevocation,
} from "../storage/card-token-revocations-store.ts";

const batchRows = 20;
const callTimeoutMs = 12_000;
const leaseMs = 60_000;
const pauseMinMs = 5_000;
const pauseMaxMs = 10 * 60_000;

/**
 * Tells banks about card tokens that must not be used any more, until each has answered or its token has ended by itself.
 * Safe on several replicas. Returns how many banks were told. Run it every few seconds.
 */
export async function revokeCardTokens(
  deps: Pick<OidcDeps, "oidcDb" | "credential" | "clock" | "log">,
  signal?: AbortSignal,
): Promise<number> {
  const now = deps.clock.now();
  const due = await claimRevocations(deps.oidcDb.query, {
    now,
    leaseUntil: new Date(now.getTime() + leaseMs),
    limit: batchRows,
  });
  const told = await Promise.all(due.map((revocation) => revokeOne(deps, revocation, signal)));
  return told.filter(Boolean).length;
}

async function revokeOne(
  deps: Pick<OidcDeps, "oidcDb" | "credential" | "clock" | "log">,
  revocation: DueRevocation,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  try {
    const { userId, connectionId, tokenId } = revocation;
    const call = { timeoutMs: callTimeoutMs, ...(signal === undefined ? {} : { signal }) };
    await deps.credential.revokeCardToken({ userId, connectionId, tokenId }, call);
    await deleteRevocation(deps.oidcDb.query, revocation);
    return true;
  } catch (error) {
    const now = deps.clock.now();
    // A definite refusal (the connection is gone, so is what it could have revoked with) ends it; so does the token's end.
    const over = now >= revocation.giveUpAt || (error instanceof ConnectionError && error.kind !== "unknown_outcome");
    deps.log.warn(
      { err: error, tries: revocation.tries },
      over ? "card token not revoked" : "card token revocation waits",
    );
    const pauseMs = Math.min(pauseMinMs * 2 ** Math.min(revocation.tries, 10), pauseMaxMs);
    if (over) await deleteRevocation(deps.oidcDb.query, revocation);
    else await postponeRevocation(deps.oidcDb.query, revocation, new Date(now.getTime() + pauseMs));
    return false;
  }
}
