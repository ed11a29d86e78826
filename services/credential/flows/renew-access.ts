import { inTransaction } from "../../platform/db/transaction.ts";
import { DomainError } from "../../platform/errors/domain-error.ts";
import { appendAudit } from "../storage/audit-store.ts";
import { tokenOwner } from "../storage/provider-token-store.ts";
import type { ScanPlace } from "../storage/refresh-safety-net.ts";
import { makeConnectionsDue, type RenewalScan, type RenewalStep } from "../storage/renewal-store.ts";
import { type Caller, connectorNamed, type Dependencies } from "./dependencies.ts";

/** Enough for one call. */
const connectionsMax = 10_000;
// Of the caller's time, for a step under way.
const reserveMs = 3_000;

/** How far an order to renew has come. */
export interface Renewal {
  /** Made due by this call. */
  readonly connections: number;
  /** Where the next call goes on; undefined at the end. */
  readonly next: ScanPlace | undefined;
}

/**
 * Makes the live connections of a connector due at once: the refresh engine gives them new tokens, as many at a time as the provider is to be
 * asked together. Refresh tokens are used, and access tokens that live until somebody ends them are replaced at the provider, also where a
 * connection waits for its owner. Goes a part of the way a call, and no further than the step under way once its caller is gone; the audit has
 * what was made due, step by step. Throws `CONNECTOR_NOT_FOUND`, and `INVALID_ARGUMENT` where connections hold no token of their own.
 */
export async function renewAccess(
  deps: Dependencies,
  order: { readonly connector: string; readonly after: ScanPlace | undefined },
  caller: Caller,
): Promise<Renewal> {
  const connector = connectorNamed(deps, order.connector);
  const isStatic = connector.rotateAccess !== undefined;
  if (!isStatic && connector.refresh === undefined) {
    throw new DomainError("INVALID_ARGUMENT", { why: "connections of this connector hold no token of their own" });
  }
  const { name } = connector;
  let { after } = order;
  let connections = 0;
  do {
    const step = await orderStep(deps, { connector: name, isStatic, after, now: deps.clock.now() }, caller);
    connections += step.made;
    after = step.next;
  } while (!caller.signal.aborted && after !== undefined && connections < connectionsMax && hasTime(caller));
  return { connections, next: after };
}

function hasTime(caller: Caller): boolean {
  return caller.timeoutMs() > reserveMs;
}

/** Together with its audit entry, so that nothing is ordered in nobody's name, whatever becomes of the call. */
async function orderStep(deps: Dependencies, scan: RenewalScan, caller: Caller): Promise<RenewalStep> {
  const startedMs = performance.now();
  const { connector, now } = scan;
  return await inTransaction(deps.storage.db, async (tx) => {
    const step = await makeConnectionsDue(tx, scan);
    const isWorthTelling = step.made > 0 || scan.after === undefined;
    if (isWorthTelling) {
      const durationMs = performance.now() - startedMs;
      const details = { connections: step.made };
      await appendAudit(deps.storage, tx, { owner: tokenOwner, actor: caller.actor, now }, [
        { action: "token_refresh", outcome: "ordered", connector, institutionId: "", durationMs, details },
      ]);
    }
    return step;
  });
}
