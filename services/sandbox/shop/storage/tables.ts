import type { Generated } from "kysely";

/** The shop's tables, as the migrations make them. */
export interface ShopTables {
  shop_sessions: { session_id: string; token_hash: Buffer; created_at: Generated<Date>; expires_at: Date };
  cart_lines: { session_id: string; product_id: string; quantity: number };
  orders: OrderRow;
  payment_attempts: AttemptRow;
}

/** A line as it lies in `orders.lines`; the price is text because JSON has no 64-bit integers. */
export interface StoredLine {
  productId: string;
  name: string;
  quantity: number;
  priceMinor: string;
}

interface OrderRow {
  order_id: string;
  session_id: string;
  state: string;
  lines: StoredLine[];
  total_minor: bigint;
  currency: string;
  method: string;
  transaction_id: string | null;
  authorization_code: string | null;
  bank_id: string | null;
  bank_name: string | null;
  decline_reason: string | null;
  captured_minor: Generated<bigint>;
  refunded_minor: Generated<bigint>;
  created_at: Generated<Date>;
  updated_at: Generated<Date>;
}

interface AttemptRow {
  attempt_id: string;
  order_id: string;
  session_id: string;
  provider: string;
  state_hash: Buffer;
  sealed_secrets: Buffer;
  stage: string;
  idempotency_key: string;
  sealed_request: Buffer | null;
  tries: Generated<number>;
  next_try_at: Date | null;
  created_at: Generated<Date>;
  expires_at: Date;
}
