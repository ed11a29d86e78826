import { inTransaction } from "../../platform/db/transaction.ts";
import { DomainError } from "../../platform/errors/domain-error.ts";
import { appendAudit } from "../storage/audit-store.ts";
import { tokenOwner } from "../storage/provider-token-store.ts";
import type { ScanPlace } from "../storage/refresh-safety-net.ts";
import { makeConnectionsDue } from "../storage/renewal-store.ts";
import { type Caller, connectorNamed, type Dependencies } from "./dependencies.ts";

/** Enough for one call, so that its audit entry comes while there is time. */
const connectionsMax = 10_000;
// Of the caller's time, for the step under way and the audit.
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
 * asked together. Refresh tokens are used, and access tokens that live until somebody ends them are replaced at the provider. Goes a part of the way
 * a call. Throws `CONNECTOR_NOT_FOUND`, and `INVALID_ARGUMENT` where connections hold no token of their own.
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
  const now = deps.clock.now();
  const startedMs = performance.now();
  let { after } = order;
  let connections = 0;
  do {
    caller.signal.throwIfAborted();
    const step = await makeConnectionsDue(deps.storage, { connector: connector.name, isStatic, after, now });
    connections += step.made;
    after = step.next;
  } while (after !== undefined && connections < connectionsMax && caller.timeoutMs() > reserveMs);
  const durationMs = performance.now() - startedMs;
  const act = {
    action: "token_refresh",
    outcome: "ordered",
    connector: connector.name,
    institutionId: "",
    durationMs,
  } as const;
  await inTransaction(deps.storage.db, (tx) =>
    appendAudit(deps.storage, tx, { owner: tokenOwner, actor: caller.actor, now }, [
      { ...act, details: { connections } },
    ]),
  );
  return { connections, next: after };
}
