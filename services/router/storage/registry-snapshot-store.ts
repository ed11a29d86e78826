import type { Database } from "../../platform/db/open-database.ts";
import type { SealedBox } from "../../platform/vault/sealed-box.ts";
import type { RouterTables } from "./tables.ts";

const associatedData = "router registry_snapshot";

/** Keeps the last good picture of the Registry, sealed, for a start while the Registry is down. */
export interface RegistrySnapshotStore {
  /** The picture kept, as text; undefined when there is none. Throws `SealedRecordError` when it does not open. */
  load(): Promise<string | undefined>;
  /**
   * Keeps a picture in place of the one before. The last one written wins, also over a higher revision: a Registry restored
   * from a backup counts from an older number, and its picture is still the true one.
   */
  save(picture: string, revision: bigint, at: Date): Promise<void>;
}

/** Makes the store; the database stays the caller's to close. */
export function createRegistrySnapshotStore(db: Database<RouterTables>, box: SealedBox): RegistrySnapshotStore {
  return {
    load: async () => {
      const row = await db.query.selectFrom("registry_snapshot").select("sealed").executeTakeFirst();
      return row === undefined ? undefined : box.open(row.sealed, associatedData).toString("utf8");
    },
    save: async (picture, revision, at) => {
      const row = { revision, sealed: box.seal(picture, associatedData), saved_at: at };
      await db.query
        .insertInto("registry_snapshot")
        .values(row)
        .onConflict((conflict) => conflict.column("only_row").doUpdateSet(row))
        .execute();
    },
  };
}
