import { type RawBuilder, sql } from "kysely";
import type { ConnectionKey } from "../domain/connection.ts";

/** The keys of a batch as three parameters, for `unnest(...) as k (tenant, user_id, connection_id, ...)`. */
export function keyArrays(keys: readonly ConnectionKey[]): RawBuilder<unknown> {
  const tenants = keys.map((key) => key.owner.tenant);
  const users = keys.map((key) => key.owner.userId);
  const ids = keys.map((key) => key.connectionId);
  return sql`${tenants}::text[], ${users}::text[], ${ids}::uuid[]`;
}

/** Sorted as batches lock their rows, so that no two wait for each other; the given order is left alone. */
export function inLockOrder<T extends ConnectionKey>(keys: readonly T[]): T[] {
  return [...keys].sort((left, right) => (lockName(left) < lockName(right) ? -1 : 1));
}

function lockName({ owner, connectionId }: ConnectionKey): string {
  return `${owner.tenant}\0${owner.userId}\0${connectionId}`;
}
