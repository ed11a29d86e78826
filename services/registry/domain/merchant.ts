import type { KeySummary } from "./access-key.ts";

/** A merchant that pays through the Router. */
export interface Merchant {
  readonly id: string;
  readonly name: string;
  readonly status: "active" | "inactive";
  readonly keys: readonly KeySummary[];
  readonly revision: bigint;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}
