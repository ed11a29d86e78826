import { type Insertable, type Selectable, sql } from "kysely";
import type { Database } from "../../../platform/db/open-database.ts";
import type { Order, OrderState, PaymentMethod } from "../domain/order.ts";
import type { AuthorizationResult } from "../domain/payment-result.ts";
import type { ShopTables, StoredLine } from "./tables.ts";

type OrderRow = Selectable<ShopTables["orders"]>;

/** Most orders in one list. */
export const ordersPageMax = 200;

/** Whose orders: one visitor's, or all of them for the shop's own desk. */
export type Scope = { readonly sessionId: string } | "desk";

/** What a desk action changed. Amounts are minor units; null leaves what is there. */
export interface DeskChange {
  readonly from: OrderState;
  readonly state: OrderState;
  readonly capturedMinor: bigint | null;
  readonly refundedMinor: bigint | null;
}

/** Orders. Every change names the state it expects and tells whether it found it. */
export interface OrderStore {
  create(order: Order): Promise<void>;
  find(orderId: string, scope: Scope): Promise<Order | undefined>;
  /** Newest first; `before` is the id of the last order already seen. */
  list(scope: Scope, options?: { before?: string; limit?: number }): Promise<readonly Order[]>;
  /** Opens an order for a new payment trip by this method; false when it is paid or being paid. */
  reopen(orderId: string, method: PaymentMethod): Promise<boolean>;
  /** `awaiting_payment` becomes `state`; false when it was no longer that. */
  leaveUnpaid(orderId: string, state: "cancelled" | "failed", reason: string | null): Promise<boolean>;
  /** Writes the desk's result if the order still stands as expected. */
  applyDesk(orderId: string, change: DeskChange): Promise<boolean>;
  /** Writes which bank answered. */
  nameBank(orderId: string, bank: { id: string; name: string }): Promise<void>;
}

/** Opens the store on the shop's schema. */
export function createOrderStore(db: Database<ShopTables>): OrderStore {
  const scoped = (scope: Scope) => {
    const rows = db.query.selectFrom("orders").selectAll();
    return scope === "desk" ? rows : rows.where("session_id", "=", scope.sessionId);
  };
  return {
    async create(order) {
      await db.query.insertInto("orders").values(rowOf(order)).execute();
    },
    async find(orderId, scope) {
      const row = await scoped(scope).where("order_id", "=", orderId).executeTakeFirst();
      return row === undefined ? undefined : orderOf(row);
    },
    async list(scope, options = {}) {
      const limit = Math.min(options.limit ?? 50, ordersPageMax);
      const before = options.before;
      const page = scoped(scope).orderBy("created_at", "desc").orderBy("order_id", "desc").limit(limit);
      const narrowed =
        before === undefined
          ? page
          : page.where(
              sql<boolean>`(created_at, order_id) < (select o.created_at, o.order_id from orders o where o.order_id = ${before})`,
            );
      return (await narrowed.execute()).map(orderOf);
    },
    reopen: (orderId, method) => reopen(db, orderId, method),
    async leaveUnpaid(orderId, state, reason) {
      const result = await db.query
        .updateTable("orders")
        .set({ state, decline_reason: reason, updated_at: sql`now()` })
        .where("order_id", "=", orderId)
        .where("state", "=", "awaiting_payment")
        .executeTakeFirst();
      return result.numUpdatedRows > 0n;
    },
    async applyDesk(orderId, change) {
      const result = await db.query
        .updateTable("orders")
        .set({
          state: change.state,
          updated_at: sql`now()`,
          ...(change.capturedMinor === null ? {} : { captured_minor: change.capturedMinor }),
          ...(change.refundedMinor === null ? {} : { refunded_minor: change.refundedMinor }),
        })
        .where("order_id", "=", orderId)
        .where("state", "=", change.from)
        .executeTakeFirst();
      return result.numUpdatedRows > 0n;
    },
    async nameBank(orderId, bank) {
      await db.query
        .updateTable("orders")
        .set({ bank_id: bank.id, bank_name: bank.name })
        .where("order_id", "=", orderId)
        .execute();
    },
  };
}

async function reopen(db: Database<ShopTables>, orderId: string, method: PaymentMethod): Promise<boolean> {
  const result = await db.query
    .updateTable("orders")
    .set({
      state: "awaiting_payment",
      method,
      transaction_id: null,
      authorization_code: null,
      bank_id: null,
      bank_name: null,
      decline_reason: null,
      updated_at: sql`now()`,
    })
    .where("order_id", "=", orderId)
    .where("state", "in", ["awaiting_payment", "cancelled", "declined", "failed", "voided", "expired"])
    .executeTakeFirst();
  return result.numUpdatedRows > 0n;
}

/** The columns an authorisation's result writes; shared with the attempt that settles in the same transaction. */
export function resultColumns(result: AuthorizationResult) {
  return {
    state: result.state,
    transaction_id: result.transactionId,
    authorization_code: result.authorizationCode,
    decline_reason: result.declineReason,
    updated_at: sql<Date>`now()`,
  };
}

function rowOf(order: Order): Insertable<ShopTables["orders"]> {
  return {
    order_id: order.id,
    session_id: order.sessionId,
    state: order.state,
    // pg writes a JavaScript array as a PostgreSQL array; jsonb has to be given as text.
    lines: sql<StoredLine[]>`${JSON.stringify(
      order.lines.map((line) => ({ ...line, priceMinor: line.priceMinor.toString() })),
    )}::jsonb` as unknown as StoredLine[],
    total_minor: order.totalMinor,
    currency: order.currency,
    method: order.method,
    transaction_id: order.transactionId,
    authorization_code: order.authorizationCode,
    bank_id: order.bankId,
    bank_name: order.bankName,
    decline_reason: order.declineReason,
    captured_minor: order.capturedMinor,
    refunded_minor: order.refundedMinor,
    created_at: order.createdAt,
    updated_at: order.updatedAt,
  };
}

// The table's checks hold state and method to the unions below.
function orderOf(row: OrderRow): Order {
  return {
    id: row.order_id,
    sessionId: row.session_id,
    state: row.state as OrderState,
    lines: row.lines.map((line) => ({ ...line, priceMinor: BigInt(line.priceMinor) })),
    totalMinor: row.total_minor,
    currency: row.currency,
    method: row.method as PaymentMethod,
    transactionId: row.transaction_id,
    authorizationCode: row.authorization_code,
    bankId: row.bank_id,
    bankName: row.bank_name,
    declineReason: row.decline_reason,
    capturedMinor: row.captured_minor,
    refundedMinor: row.refunded_minor,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}
