import { sql } from "kysely";
import { planByIndex } from "./index-plans.ts";
import { placeOfAll, type ScanPlace } from "./refresh-safety-net.ts";
import type { Tx } from "./storage.ts";

const stepSize = 1_000;

/** Which connections are to have new tokens. */
export interface RenewalScan {
  readonly connector: string;
  /** Whether access tokens that live until somebody ends them are replaced too. */
  readonly isStatic: boolean;
  readonly after: ScanPlace | undefined;
  readonly now: Date;
}

/** What a step has made due. */
export interface RenewalStep {
  readonly made: number;
  readonly next: ScanPlace | undefined;
}

/**
 * One step of a scan over all connections, in the order of their keys: those of the connector that are alive and hold a token to renew
 * become due now. So does one in flight: it is left to its flight, whose new tokens settle the order, and is renewed after one that brings
 * none, such as a refused extension. One that waits for its owner becomes due where he would bring it no other token; not one whose own
 * token was refused when it was to be renewed. `next` is undefined at the end.
 */
export async function makeConnectionsDue(tx: Tx, scan: RenewalScan): Promise<RenewalStep> {
  const { tenant, userId, connectionId } = scan.after ?? placeOfAll;
  await planByIndex(tx);
  const { rows } = await sql<StepRow>`
    with step as materialized (
      select tenant, user_id, connection_id from connections
      where (tenant, user_id, connection_id) > (${tenant}, ${userId}, ${connectionId}::uuid)
      order by tenant, user_id, connection_id limit ${stepSize}
    ),
    wanted as materialized (
      select held.tenant, held.user_id, held.connection_id from step
      join connections held using (tenant, user_id, connection_id)
      where held.connector = ${scan.connector}
        and ((held.has_refresh_token and held.state in ('ACTIVE', 'ERROR'))
          or (${scan.isStatic}::boolean and held.has_access_token and held.state <> 'REVOKED'
            and (held.state <> 'EXPIRED' or held.refresh_outcome is distinct from 'reauth_required')))
      order by held.tenant, held.user_id, held.connection_id for update of held
    ),
    made as (
      update connections held set refresh_due_at = least(held.refresh_due_at, ${scan.now})
      from wanted where held.tenant = wanted.tenant and held.user_id = wanted.user_id
        and held.connection_id = wanted.connection_id
      returning 1
    )
    select (select count(*) from made)::integer as made, tenant, user_id, connection_id from step
    order by tenant desc, user_id desc, connection_id desc limit 1`.execute(tx);
  const [last] = rows;
  if (last === undefined) return { made: 0, next: undefined };
  return {
    made: last.made,
    next: { tenant: last.tenant, userId: last.user_id, connectionId: last.connection_id },
  };
}

interface StepRow {
  readonly made: number;
  readonly tenant: string;
  readonly user_id: string;
  readonly connection_id: string;
}
