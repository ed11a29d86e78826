import type { Database } from "../../platform/db/open-database.ts";
import { takeDueRows } from "./due-rows.ts";
import type { RouterTables } from "./tables.ts";

/** A hold to release at a bank: by its authorization code, or by the key sent with authorize, which is the payment id. */
export interface HoldRelease {
  readonly merchantId: string;
  readonly paymentId: string;
  readonly bankId: string;
  readonly authorizationCode: string | undefined;
  /** Calls made so far, this one included. */
  readonly attempts: number;
}

/** Holds waiting for a bank to confirm their release. */
export interface ReleaseStore {
  /** Takes releases that are due, for `leaseMs`; another replica takes them after it. */
  takeDue(now: Date, leaseMs: number, limit: number): Promise<HoldRelease[]>;
  /** Ends a release the bank confirmed. */
  confirm(release: HoldRelease, at: Date): Promise<void>;
  /** Sets when to ask the bank again. */
  retryAt(release: HoldRelease, dueAt: Date): Promise<void>;
  /** Adds a hold that was found after its payment had failed; a release already waiting is given the code. */
  add(
    hold: Omit<HoldRelease, "attempts" | "authorizationCode"> & { authorizationCode: string },
    at: Date,
  ): Promise<void>;
}

interface DueRow {
  readonly merchant_id: string;
  readonly payment_id: string;
  readonly bank_id: string;
  readonly authorization_code: string | null;
  readonly attempts: number;
}

const takeDueSql = `
update hold_releases set due_at = $2, attempts = attempts + 1
where (merchant_id, payment_id) in (
  select merchant_id, payment_id from hold_releases
  where due_at <= $1 order by due_at limit $3 for update skip locked)
returning merchant_id, payment_id, bank_id, authorization_code, attempts`;

/** Makes the store; the database stays the caller's to close. */
export function createReleaseStore(db: Database<RouterTables>): ReleaseStore {
  const { pool } = db;
  return {
    takeDue: async (now, leaseMs, limit) => {
      const rows = await takeDueRows<DueRow>(db, takeDueSql, [now, new Date(now.getTime() + leaseMs), limit]);
      return rows.map((row) => ({
        merchantId: row.merchant_id,
        paymentId: row.payment_id,
        bankId: row.bank_id,
        authorizationCode: row.authorization_code ?? undefined,
        attempts: row.attempts,
      }));
    },
    confirm: async (release, at) => {
      // The code is compared so that a hold found meanwhile is not taken for released by the answer to an older call.
      await pool.query(
        `update hold_releases set due_at = null, released_at = $3
         where merchant_id = $1 and payment_id = $2 and due_at is not null and authorization_code is not distinct from $4`,
        [release.merchantId, release.paymentId, at, release.authorizationCode ?? null],
      );
    },
    retryAt: async (release, dueAt) => {
      await pool.query(
        "update hold_releases set due_at = $3 where merchant_id = $1 and payment_id = $2 and due_at is not null",
        [release.merchantId, release.paymentId, dueAt],
      );
    },
    add: async (hold, at) => {
      await pool.query(
        `insert into hold_releases (merchant_id, payment_id, bank_id, authorization_code, created_at, due_at)
         values ($1, $2, $3, $4, $5, $5)
         on conflict (merchant_id, payment_id) do update
         set authorization_code = excluded.authorization_code, due_at = excluded.due_at, released_at = null`,
        [hold.merchantId, hold.paymentId, hold.bankId, hold.authorizationCode, at],
      );
    },
  };
}
