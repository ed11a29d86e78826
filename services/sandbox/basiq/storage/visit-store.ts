import { sql, type Transaction } from "kysely";
import type { Database } from "../../../platform/db/open-database.ts";
import { inTransaction } from "../../../platform/db/transaction.ts";
import type { AccountKind } from "../../kit/domain/household.ts";
import type { Instant } from "../domain/records.ts";
import { activateConnections } from "./connection-changes.ts";
import { insertConnection } from "./connection-store.ts";
import { giveConsent } from "./consent-store.ts";
import { type JobTimes, startJob } from "./job-store.ts";
import type { BasiqTables } from "./tables.ts";

/** Wrong passwords a visit takes before it ends. */
const signInAttemptsMax = 5;

/** A user on the consent page. */
export interface Visit {
  readonly userId: string;
  readonly action: "connect" | "reauthorise" | "extend";
  readonly state: string;
  readonly institutionId: string | null;
  /** Of a renewal: the connection to be signed in to again. */
  readonly connectionId: string | null;
  readonly username: string | null;
  readonly stage: "open" | "signed_in" | "over";
  readonly expiresAt: Date;
}

/** Visits to the consent page: `open`, `signed_in`, `over`. */
export interface VisitStore {
  open(hash: Buffer, visit: Visit): Promise<void>;
  find(hash: Buffer): Promise<Visit | undefined>;
  /** Counts an attempt to sign in. False when there were too many. */
  attempt(hash: Buffer): Promise<boolean>;
  signIn(hash: Buffer, who: { institutionId: string; username: string }): Promise<void>;
  /**
   * Ends a visit with a consent, once; what it was for happens in the same transaction. The job it began, null for a mere
   * extension; undefined when the visit was over already.
   */
  finish(
    hash: Buffer,
    visit: Visit,
    given: { accountKinds: readonly AccountKind[]; consentEnds: Date; at: Instant },
  ): Promise<{ jobId: string | null } | undefined>;
  leave(hash: Buffer): Promise<void>;
  sweep(before: Date): Promise<void>;
}

/** Opens the store on the sandbox's schema. */
export function createVisitStore(db: Database<BasiqTables>, origin: string, times: JobTimes): VisitStore {
  const one = (hash: Buffer) => db.query.updateTable("visits").where("visit_hash", "=", hash);
  return {
    async open(hash, visit) {
      await db.query
        .insertInto("visits")
        .values({
          visit_hash: hash,
          user_id: visit.userId,
          action: visit.action,
          state: visit.state,
          institution_id: visit.institutionId,
          connection_id: visit.connectionId,
          username: visit.username,
          stage: visit.stage,
          expires_at: visit.expiresAt,
        })
        .execute();
    },
    find: (hash) =>
      db.query
        .selectFrom("visits")
        .select(["user_id as userId", "action", "state", "institution_id as institutionId"])
        .select(["connection_id as connectionId", "username", "stage", "expires_at as expiresAt"])
        .where("visit_hash", "=", hash)
        .executeTakeFirst(),
    async attempt(hash) {
      const counted = await one(hash)
        .set({ attempts: sql`attempts + 1` })
        .where("attempts", "<", signInAttemptsMax)
        .where("stage", "!=", "over")
        .executeTakeFirst();
      return counted.numUpdatedRows === 1n;
    },
    async signIn(hash, { institutionId, username }) {
      const values = { institution_id: institutionId, username, stage: "signed_in" } as const;
      await one(hash).set(values).where("stage", "!=", "over").execute();
    },
    finish: (hash, visit, given) =>
      inTransaction(db, async (tx) => {
        const ended = await tx
          .updateTable("visits")
          .set({ stage: "over" })
          .where("visit_hash", "=", hash)
          .where("stage", "=", visit.stage)
          .where("stage", "!=", "over")
          .executeTakeFirst();
        if (ended.numUpdatedRows === 0n) return undefined;
        const { at, consentEnds: expiresAt } = given;
        await giveConsent(tx, { origin, userId: visit.userId, expiresAt, at });
        return { jobId: await beginWork(tx, { origin, times, visit, ...given }) };
      }),
    async leave(hash) {
      await one(hash).set({ stage: "over" }).execute();
    },
    async sweep(before) {
      await db.query.deleteFrom("visits").where("expires_at", "<", before).execute();
    },
  };
}

async function beginWork(
  tx: Transaction<BasiqTables>,
  work: { origin: string; times: JobTimes; visit: Visit; accountKinds: readonly AccountKind[]; at: Instant },
): Promise<string | null> {
  const { origin, visit, at } = work;
  const { userId, institutionId, username } = visit;
  if (visit.action === "extend") return null;
  if (visit.connectionId !== null) {
    const { connectionId } = visit;
    await activateConnections(tx, origin, { userId, connectionId }, at);
    return (await startJob(tx, { userId, connectionId }, at, work.times)).job.jobId;
  }
  if (institutionId === null || username === null) throw new Error("a visit ended before its sign-in");
  const made = { userId, institutionId, username, accountKinds: work.accountKinds };
  const connectionId = await insertConnection(tx, origin, made, at);
  return (await startJob(tx, { userId, connectionId }, at, work.times)).job.jobId;
}
