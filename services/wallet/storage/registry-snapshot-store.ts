import type { Executor } from "./tables.ts";

export type SnapshotKind = "bank" | "oauth_client";

/** One row of the directory as last heard. */
export interface SnapshotRow {
  readonly kind: SnapshotKind;
  readonly id: string;
  readonly body: unknown;
  readonly revision: bigint;
}

/** Every row as last heard. */
export async function readSnapshot(db: Executor): Promise<SnapshotRow[]> {
  const rows = await db.selectFrom("registry_snapshot").select(["kind", "id", "body", "revision"]).execute();
  // The table's check constraint allows these two kinds alone.
  return rows.map((row) => ({ ...row, kind: row.kind as SnapshotKind }));
}

/** Stores rows in place of what was known of them. */
export async function writeSnapshotRows(db: Executor, rows: readonly SnapshotRow[], now: Date): Promise<void> {
  for (const row of rows) {
    await db
      .insertInto("registry_snapshot")
      .values({
        kind: row.kind,
        id: row.id,
        body: JSON.stringify(row.body),
        revision: row.revision,
        updated_at: now,
      })
      .onConflict((conflict) =>
        conflict.columns(["kind", "id"]).doUpdateSet((set) => ({
          body: set.ref("excluded.body"),
          revision: set.ref("excluded.revision"),
          updated_at: set.ref("excluded.updated_at"),
        })),
      )
      .execute();
  }
}

/** Forgets a row that the directory no longer names. */
export async function deleteSnapshotRow(db: Executor, kind: SnapshotKind, id: string): Promise<void> {
  await db.deleteFrom("registry_snapshot").where("kind", "=", kind).where("id", "=", id).execute();
}
