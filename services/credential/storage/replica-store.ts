import { sql } from "kysely";
import type { Queryable } from "./storage.ts";

/** A running replica and the master key versions it holds. */
export interface ReplicaKeys {
  readonly replica: string;
  readonly versions: readonly number[];
}

/** Tells which versions a replica holds, by the database's clock. Forgets those not heard of for an hour. */
export async function reportReplica(db: Queryable, { replica, versions }: ReplicaKeys): Promise<void> {
  await sql`insert into vault_replicas (replica, versions, seen_at)
    values (${replica}, ${[...versions]}::integer[], clock_timestamp())
    on conflict (replica) do update set versions = excluded.versions, seen_at = excluded.seen_at`.execute(db);
  await sql`delete from vault_replicas where seen_at < clock_timestamp() - interval '1 hour'`.execute(db);
}

/** Forgets a replica that has stopped. */
export async function forgetReplica(db: Queryable, replica: string): Promise<void> {
  await db.deleteFrom("vault_replicas").where("replica", "=", replica).execute();
}

/** Replicas heard of within `withinMs`. */
export async function listReplicas(db: Queryable, withinMs: number): Promise<ReplicaKeys[]> {
  return await db
    .selectFrom("vault_replicas")
    .select(["replica", "versions"])
    .where(sql<boolean>`seen_at > clock_timestamp() - make_interval(secs => ${withinMs / 1000}::float8)`)
    .orderBy("replica")
    .execute();
}
