import type { Selectable } from "kysely";
import type { Database } from "../../../platform/db/open-database.ts";
import { inTransaction } from "../../../platform/db/transaction.ts";
import type { MastercardTables } from "./tables.ts";

/** Wrong secrets before the partner is locked. */
export const failedLoginsMax = 5;

/** The partner as kept. */
export interface StoredPartner {
  readonly sealedSecret: Buffer;
  readonly sealedFormerSecret: Buffer | null;
  readonly formerUntil: Date | null;
  readonly failedLogins: number;
  readonly locked: boolean;
}

/** A changed secret. */
export interface NewSecret {
  readonly sealedSecret: Buffer;
  /** Until when the secret in force before serves as well; undefined for no longer. */
  readonly formerUntil: Date | undefined;
}

/** The partner and the tokens given to it. */
export interface PartnerStore {
  /** Keeps this secret where there is none yet. */
  begin(sealedSecret: Buffer): Promise<void>;
  find(): Promise<StoredPartner>;
  /**
   * Judges a login, and changes the secret when one is given and the judgement good. A failure counts towards the lock, a
   * success clears the count; attempts at the same time are judged one after the other.
   */
  login(judge: (partner: StoredPartner) => boolean, change?: NewSecret): Promise<"ok" | "wrong" | "locked">;
  unlock(): Promise<void>;
  addToken(hash: Buffer, expiresAt: Date): Promise<void>;
  /** When the token ends; undefined for an unknown one. */
  tokenEnd(hash: Buffer): Promise<Date | undefined>;
  /** Lets every token end now. */
  expireTokens(now: Date): Promise<void>;
  sweepTokens(before: Date): Promise<void>;
}

/** Opens the store on the sandbox's schema. */
export function createPartnerStore(db: Database<MastercardTables>): PartnerStore {
  return {
    async begin(sealedSecret) {
      await db.query
        .insertInto("partner")
        .values({ sealed_secret: sealedSecret, sealed_former_secret: null, former_until: null })
        .onConflict((conflict) => conflict.doNothing())
        .execute();
    },
    find: async () => partnerOf(await db.query.selectFrom("partner").selectAll().executeTakeFirstOrThrow()),
    login: (judge, change) => login(db, judge, change),
    async unlock() {
      await db.query.updateTable("partner").set({ locked: false, failed_logins: 0 }).execute();
    },
    async addToken(hash, expiresAt) {
      await db.query.insertInto("app_tokens").values({ token_hash: hash, expires_at: expiresAt }).execute();
    },
    async tokenEnd(hash) {
      const row = await db.query
        .selectFrom("app_tokens")
        .select("expires_at")
        .where("token_hash", "=", hash)
        .executeTakeFirst();
      return row?.expires_at;
    },
    async expireTokens(now) {
      await db.query.updateTable("app_tokens").set({ expires_at: now }).where("expires_at", ">", now).execute();
    },
    async sweepTokens(before) {
      await db.query.deleteFrom("app_tokens").where("expires_at", "<", before).execute();
    },
  };
}

function login(
  db: Database<MastercardTables>,
  judge: (partner: StoredPartner) => boolean,
  change: NewSecret | undefined,
): Promise<"ok" | "wrong" | "locked"> {
  return inTransaction(db, async (tx) => {
    const row = await tx.selectFrom("partner").selectAll().forUpdate().executeTakeFirstOrThrow();
    if (row.locked) return "locked";
    if (!judge(partnerOf(row))) {
      const failed = row.failed_logins + 1;
      await tx
        .updateTable("partner")
        .set({ failed_logins: failed, locked: failed >= failedLoginsMax })
        .execute();
      return "wrong";
    }
    const former = { sealed_former_secret: row.sealed_secret, former_until: change?.formerUntil ?? null };
    await tx
      .updateTable("partner")
      .set({ failed_logins: 0, ...(change !== undefined && { sealed_secret: change.sealedSecret, ...former }) })
      .execute();
    return "ok";
  });
}

function partnerOf(row: Selectable<MastercardTables["partner"]>): StoredPartner {
  return {
    sealedSecret: row.sealed_secret,
    sealedFormerSecret: row.sealed_former_secret,
    formerUntil: row.former_until,
    failedLogins: row.failed_logins,
    locked: row.locked,
  };
}
