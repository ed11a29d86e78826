import type { ColumnType, Generated } from "kysely";
import type { OperationKind, OperationState } from "../domain/operation.ts";
import type { PaymentStatus } from "../domain/payment-state.ts";

/** Columns of `payments`. */
export interface PaymentsTable {
  merchant_id: string;
  payment_id: string;
  order_id: string;
  attempt: number;
  request_hash: Buffer;
  bank_id: string | null;
  amount_minor: bigint;
  currency: string;
  merchant_name: string | null;
  description: string | null;
  metadata: string | null;
  status: PaymentStatus;
  authorization_code: string | null;
  decline_reason: string | null;
  captured_minor: Generated<bigint>;
  refunded_minor: Generated<bigint>;
  open_operation_id: string | null;
  created_at: Date;
  updated_at: Date;
  decided_at: Date | null;
  expires_at: Date | null;
  due_at: Date | null;
}

/** Columns of `operations`. */
export interface OperationsTable {
  merchant_id: string;
  operation_id: string;
  payment_id: string;
  bank_id: string;
  kind: OperationKind;
  amount_minor: bigint;
  asked_minor: bigint | null;
  reason: string | null;
  request_key: Buffer | null;
  keyed: boolean;
  state: OperationState;
  settling: Generated<boolean>;
  unreachable: Generated<boolean>;
  attempts: Generated<number>;
  status_after: PaymentStatus | null;
  refunded_after_minor: bigint | null;
  created_at: Date;
  finished_at: Date | null;
  due_at: Date | null;
}

/** Columns of `hold_releases`. */
export interface HoldReleasesTable {
  merchant_id: string;
  payment_id: string;
  bank_id: string;
  authorization_code: string | null;
  attempts: Generated<number>;
  created_at: Date;
  due_at: Date | null;
  released_at: Date | null;
}

/** Columns of `reconciliation`. */
export interface ReconciliationTable {
  merchant_id: string;
  payment_id: string;
  operation_id: string;
  order_id: string;
  bank_id: string;
  operation: OperationKind | "authorize";
  amount_minor: bigint;
  currency: string;
  reason: string;
  created_at: Date;
  outcome: "done" | "not_done" | null;
  resolved_at: Date | null;
  resolved_by: string | null;
}

/** Columns of `outbox`. */
export interface OutboxTable {
  merchant_id: string;
  event_id: string;
  payment_id: string;
  type: string;
  body: string;
  created_at: Date;
}

/** Columns of `registry_snapshot`. */
export interface RegistrySnapshotTable {
  only_row: ColumnType<boolean, boolean | undefined, never>;
  revision: bigint;
  sealed: Buffer;
  saved_at: Date;
}

/** The Router's schema. */
export interface RouterTables {
  payments: PaymentsTable;
  operations: OperationsTable;
  hold_releases: HoldReleasesTable;
  reconciliation: ReconciliationTable;
  outbox: OutboxTable;
  registry_snapshot: RegistrySnapshotTable;
}
