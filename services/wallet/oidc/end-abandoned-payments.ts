import { inTransaction } from "../../platform/db/transaction.ts";
import { endOidcGrant } from "../../platform/oidc/storage/oidc-record-store.ts";
import { deleteEndedPayments, endPaymentOfGrant, listAbandonedGrants } from "../storage/oidc-payments-store.ts";
import type { OidcDeps } from "./oidc-deps.ts";

const batchRows = 100;
/** Rows are kept this long after their end, for whoever looks into a complaint. */
const keptAfterEndMs = 24 * 3600_000;

/**
 * Ends payments whose merchant never came for them, so that their banks' tokens are revoked, and deletes old rows. Safe on
 * several replicas. Returns how many payments were ended.
 */
export async function endAbandonedPayments(deps: Pick<OidcDeps, "oidcDb" | "clock">): Promise<number> {
  const now = deps.clock.now();
  const grants = await listAbandonedGrants(deps.oidcDb.query, now, batchRows);
  for (const grantId of grants) await endGrant(deps, grantId);
  await deleteEndedPayments(deps.oidcDb.query, new Date(now.getTime() - keptAfterEndMs), batchRows);
  return grants.length;
}

/** Ends a grant with everything that hangs on it, in one transaction. A repeat does nothing. */
export function endGrant(deps: Pick<OidcDeps, "oidcDb" | "clock">, grantId: string): Promise<void> {
  return inTransaction(deps.oidcDb, (tx) =>
    // The same transaction twice: the provider's tables are some of the wallet's.
    endOidcGrant(tx as never, grantId, () => endPaymentOfGrant(tx, grantId, deps.clock.now())),
  );
}
