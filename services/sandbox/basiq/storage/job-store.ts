import { randomUUID } from "node:crypto";
import { type Selectable, sql, type Transaction, type Updateable } from "kysely";
import type { Database } from "../../../platform/db/open-database.ts";
import { inTransaction } from "../../../platform/db/transaction.ts";
import { endStep, firstSteps, type SteppedJob } from "../domain/job.ts";
import type { Connection, Instant, Job } from "../domain/records.ts";
import { transactionsNews } from "../domain/views.ts";
import { appendEvent } from "./append-event.ts";
import { connectionOf, invalidateConnections, tellConnection } from "./connection-changes.ts";
import type { BasiqTables, ConnectionRow, JobRow } from "./tables.ts";

const batchSize = 20;
const listedMax = 100;
type Tx = Transaction<BasiqTables>;

/** How fast jobs go and how often banks are asked by themselves. */
export interface JobTimes {
  readonly stepMs: number;
  readonly refreshMs: number;
}

/** Jobs: work on connections, step by step. */
export interface JobStore {
  find(jobId: string): Promise<Job | undefined>;
  /** A user's, newest first. */
  list(userId: string): Promise<readonly Job[]>;
  /** Begins a job on a connection; the one under way is answered in its place. */
  start(connection: Pick<Connection, "userId" | "connectionId">, at: Instant): Promise<{ job: Job; isNew: boolean }>;
  /** Ends the steps that are due, with what they bring. Returns how many. */
  runDue(at: Instant): Promise<number>;
  /** Begins jobs on active connections that were not asked for a while. Returns how many. */
  refreshDue(at: Instant): Promise<number>;
}

/** Opens the store on the sandbox's schema. */
export function createJobStore(db: Database<BasiqTables>, origin: string, times: JobTimes): JobStore {
  return {
    async find(jobId) {
      const row = await db.query.selectFrom("jobs").selectAll().where("job_id", "=", jobId).executeTakeFirst();
      return row && jobOf(row);
    },
    async list(userId) {
      const query = db.query.selectFrom("jobs").selectAll().where("user_id", "=", userId);
      return (await query.orderBy("created_at", "desc").limit(listedMax).execute()).map(jobOf);
    },
    start: (connection, at) => inTransaction(db, (tx) => startJob(tx, connection, at, times)),
    runDue: (at) =>
      inTransaction(db, async (tx) => {
        const due = await tx
          .selectFrom("jobs")
          .selectAll()
          .where("due_at", "<=", at.trueNow)
          .orderBy("due_at")
          .limit(batchSize)
          .forUpdate()
          .skipLocked()
          .execute();
        for (const row of due) await runStep(tx, { origin, times, at, job: jobOf(row) });
        return due.length;
      }),
    refreshDue: (at) =>
      inTransaction(db, async (tx) => {
        const due = await tx
          .updateTable("connections")
          .set({ refresh_due_at: new Date(at.trueNow.getTime() + times.refreshMs) })
          .where("connection_id", "in", (each) =>
            each
              .selectFrom("connections")
              .select("connection_id")
              .where("status", "=", "active")
              .where("refresh_due_at", "<=", at.trueNow)
              .limit(batchSize)
              .modifyEnd(sql`for update skip locked`),
          )
          .returningAll()
          .execute();
        for (const row of due) await startJob(tx, connectionOf(row), at, times);
        return due.length;
      }),
  };
}

/** Begins a job in a transaction of its caller's. */
export async function startJob(
  tx: Tx,
  connection: Pick<Connection, "userId" | "connectionId">,
  at: Instant,
  { stepMs }: Pick<JobTimes, "stepMs">,
): Promise<{ job: Job; isNew: boolean }> {
  const { userId, connectionId } = connection;
  const made = await tx
    .insertInto("jobs")
    .values({
      job_id: randomUUID(),
      user_id: userId,
      connection_id: connectionId,
      steps: JSON.stringify(firstSteps()),
      created_at: at.now,
      updated_at: at.now,
      due_at: new Date(at.trueNow.getTime() + stepMs),
    })
    .onConflict((conflict) => conflict.column("connection_id").where("due_at", "is not", null).doNothing())
    .returningAll()
    .executeTakeFirst();
  if (made !== undefined) return { job: jobOf(made), isNew: true };
  const row = await tx
    .selectFrom("jobs")
    .selectAll()
    .where("connection_id", "=", connectionId)
    .orderBy("created_at", "desc")
    .limit(1)
    .executeTakeFirstOrThrow();
  return { job: jobOf(row), isNew: false };
}

interface StepWork {
  readonly origin: string;
  readonly times: JobTimes;
  readonly at: Instant;
  readonly job: Job;
}

async function runStep(tx: Tx, work: StepWork): Promise<void> {
  const { job, at, times } = work;
  const user = await tx
    .selectFrom("users")
    .select(["fail_step", "fail_code"])
    .where("user_id", "=", job.userId)
    .executeTakeFirstOrThrow();
  const failure = user.fail_step === null ? undefined : { step: user.fail_step, code: user.fail_code ?? "" };
  const ended = endStep(job.steps, job, failure);
  await tx
    .updateTable("jobs")
    .set({
      ...(ended && { steps: JSON.stringify(ended.steps) }),
      updated_at: at.now,
      due_at: ended === undefined || ended.isOver ? null : new Date(at.trueNow.getTime() + times.stepMs),
    })
    .where("job_id", "=", job.jobId)
    .execute();
  if (ended?.failed) {
    await tx.updateTable("users").set({ fail_step: null, fail_code: null }).where("user_id", "=", job.userId).execute();
  }
  if (ended !== undefined) await takeEffect(tx, work, ended);
}

async function takeEffect(tx: Tx, { origin, at, job, times }: StepWork, ended: SteppedJob): Promise<void> {
  const change = (values: Updateable<ConnectionRow>) =>
    tx
      .updateTable("connections")
      .set(values)
      .where("connection_id", "=", job.connectionId)
      .returningAll()
      .executeTakeFirstOrThrow();
  if (ended.step === "verify-credentials") return await verified(tx, { origin, at, job, failed: ended.failed });
  if (ended.failed) return;
  if (ended.step === "retrieve-accounts") {
    await change({ accounts_at: at.now, last_used_at: at.now });
    return;
  }
  const refreshDueAt = new Date(at.trueNow.getTime() + times.refreshMs);
  const { refreshes } = await change({ refresh_due_at: refreshDueAt });
  const row = await change({ fetched_at: at.now, last_used_at: at.now, refreshes: refreshes + 1 });
  const data = transactionsNews(origin, connectionOf(row), 1);
  const path = `/users/${job.userId}/transactions`;
  await appendEvent(tx, origin, { userId: job.userId, entity: "transactions", eventType: "updated", path, data }, at);
}

async function verified(
  tx: Tx,
  { origin, at, job, failed }: { origin: string; at: Instant; job: Job; failed: boolean },
): Promise<void> {
  const { userId, connectionId } = job;
  if (failed) {
    await invalidateConnections(tx, origin, { userId, connectionId }, at);
    const pending = tx.updateTable("connections").set({ status: "invalid" }).where("status", "=", "pending");
    await pending.where("connection_id", "=", connectionId).execute();
    return;
  }
  const row = await tx
    .updateTable("connections")
    .set({ status: "active" })
    .where("connection_id", "=", connectionId)
    .where("status", "!=", "active")
    .returningAll()
    .executeTakeFirst();
  if (row !== undefined) await tellConnection(tx, origin, row, "activated", at);
}

function jobOf(row: Selectable<JobRow>): Job {
  return {
    jobId: row.job_id,
    userId: row.user_id,
    connectionId: row.connection_id,
    steps: row.steps,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}
