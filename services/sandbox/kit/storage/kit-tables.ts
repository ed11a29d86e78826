import type { Generated, JSONColumnType, Kysely } from "kysely";
import type { Fault } from "../domain/fault.ts";

/** The tables of `sandbox-kit.sql`; a sandbox's own tables extend them. */
export interface KitTables {
  faults: { fault_id: Generated<bigint>; path: string; fault: JSONColumnType<Fault>; remaining: number };
  calls: CallRow;
  settings: { one: Generated<boolean>; value: JSONColumnType<object> };
  webhook_deliveries: DeliveryRow;
  webhook_keys: WebhookKeyRow;
}

interface CallRow {
  call_id: Generated<bigint>;
  at: Date;
  request_id: string;
  method: string;
  path: string;
  status: number | null;
  error: string | null;
  subject: string | null;
  fields: string[];
  fault: string | null;
}

interface DeliveryRow {
  delivery_id: string;
  subject: string | null;
  event_id: string;
  event_type: string;
  url: string;
  body: string;
  scheme: string | null;
  signature: string | null;
  skew_seconds: Generated<number>;
  state: "pending" | "delivered" | "failed";
  attempts: Generated<number>;
  last_status: number | null;
  created_at: Date;
  next_attempt_at: Date;
}

interface WebhookKeyRow {
  kid: string;
  public_key: JSONColumnType<JsonWebKey>;
  sealed_private_key: Buffer;
  created_at: Date;
  retired_at: Date | null;
}

/** A sandbox's database or transaction, seen as the kit's tables alone. */
export function kitView<Tables extends KitTables>(query: Kysely<Tables>): Kysely<KitTables> {
  // Kysely's types are invariant; whatever has more tables has these.
  return query as unknown as Kysely<KitTables>;
}
