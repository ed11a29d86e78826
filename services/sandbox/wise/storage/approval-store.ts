import { randomUUID } from "node:crypto";
import type { Database } from "../../../platform/db/open-database.ts";
import type { WiseTables } from "./tables.ts";

/** One-time tokens of strong authentications, and the key the application signs them with. */
export interface ApprovalStore {
  /** A new token of a grant. */
  ask(grantId: string, expiresAt: Date): Promise<string>;
  /** Uses a token of this grant up; false when it is another's, unknown, used or too old. */
  use(approvalId: string, grantId: string, now: Date): Promise<boolean>;
  /** The registered public key in PEM; undefined when there is none. */
  key(): Promise<string | undefined>;
  /** Registers one in place of the old; none with null. */
  saveKey(publicKey: string | null): Promise<void>;
  sweep(before: Date): Promise<void>;
}

/** Opens the store on the sandbox's schema. */
export function createApprovalStore(db: Database<WiseTables>): ApprovalStore {
  const { query } = db;
  return {
    async ask(grantId, expiresAt) {
      const approvalId = randomUUID();
      await query
        .insertInto("approvals")
        .values({ approval_id: approvalId, grant_id: grantId, expires_at: expiresAt, used_at: null })
        .execute();
      return approvalId;
    },
    async use(approvalId, grantId, now) {
      const changed = await query
        .updateTable("approvals")
        .set({ used_at: now })
        .where("approval_id", "=", approvalId)
        .where("grant_id", "=", grantId)
        .where("used_at", "is", null)
        .where("expires_at", ">", now)
        .executeTakeFirst();
      return changed.numUpdatedRows === 1n;
    },
    async key() {
      return (await query.selectFrom("approval_key").select("public_key").executeTakeFirst())?.public_key;
    },
    async saveKey(publicKey) {
      if (publicKey === null) {
        await query.deleteFrom("approval_key").execute();
        return;
      }
      await query
        .insertInto("approval_key")
        .values({ public_key: publicKey })
        .onConflict((conflict) => conflict.column("one").doUpdateSet({ public_key: publicKey }))
        .execute();
    },
    async sweep(before) {
      await query.deleteFrom("approvals").where("expires_at", "<", before).execute();
    },
  };
}
