import { sql } from "kysely";
import type { Database } from "../../../platform/db/open-database.ts";
import { inTransaction } from "../../../platform/db/transaction.ts";
import { addDelivery, type NewDelivery } from "../../kit/storage/delivery-store.ts";
import type { TaskRequest, TaskStatus, TrueLayerTables } from "./tables.ts";

/** An asynchronous call. */
export interface AsyncTask {
  readonly taskId: string;
  readonly credentialsId: string;
  readonly request: TaskRequest;
  readonly webhookUri: string | null;
  readonly status: TaskStatus;
  /** `{results}` of one that succeeded, `{error, error_description}` of one that failed. */
  readonly answer: object | null;
  readonly createdAt: Date;
}

/** How a task ended. */
export interface TaskOutcome {
  readonly status: "Succeeded" | "Failed";
  readonly answerStatus: number;
  readonly answer: object;
}

/** Asynchronous calls. */
export interface TaskStore {
  add(task: Omit<AsyncTask, "status" | "answer">, dueAt: Date): Promise<void>;
  /** Undefined for a task of another connection as well. */
  find(taskId: string, credentialsId: string): Promise<AsyncTask | undefined>;
  /** Starts the tasks whose queueing is over. */
  start(now: Date, runsUntil: Date): Promise<void>;
  /** Claims a task that has run long enough; it comes back after `leaseUntil` if whoever claimed it dies. */
  claim(now: Date, leaseUntil: Date): Promise<AsyncTask | undefined>;
  /** Ends a task and puts the webhook that tells of it on its way, both or neither; does nothing to one that has ended. */
  finish(taskId: string, outcome: TaskOutcome, webhook: NewDelivery | null, now: Date): Promise<void>;
  clear(): Promise<void>;
  sweep(before: Date): Promise<void>;
}

const columns = [
  "task_id as taskId",
  "credentials_id as credentialsId",
  "request",
  "webhook_uri as webhookUri",
  "status",
  "answer",
  "created_at as createdAt",
] as const;

/** Opens the store on the sandbox's schema. */
export function createTaskStore(db: Database<TrueLayerTables>): TaskStore {
  return {
    async add(task, dueAt) {
      await db.query
        .insertInto("async_tasks")
        .values({
          task_id: task.taskId,
          credentials_id: task.credentialsId,
          request: JSON.stringify(task.request),
          webhook_uri: task.webhookUri,
          status: "Queued",
          answer_status: null,
          answer: null,
          created_at: task.createdAt,
          due_at: dueAt,
        })
        .execute();
    },
    find: (taskId, credentialsId) =>
      db.query
        .selectFrom("async_tasks")
        .select(columns)
        .where("task_id", "=", taskId)
        .where("credentials_id", "=", credentialsId)
        .executeTakeFirst(),
    async start(now, runsUntil) {
      await db.query
        .updateTable("async_tasks")
        .set({ status: "Running", due_at: runsUntil })
        .where("status", "=", "Queued")
        .where("due_at", "<=", now)
        .execute();
    },
    claim: (now, leaseUntil) =>
      db.query
        .updateTable("async_tasks")
        .set({ due_at: leaseUntil })
        .where("task_id", "=", (each) =>
          each
            .selectFrom("async_tasks")
            .select("task_id")
            .where("status", "=", "Running")
            .where("due_at", "<=", now)
            .orderBy("due_at")
            .limit(1)
            .modifyEnd(sql`for update skip locked`),
        )
        .returning(columns)
        .executeTakeFirst(),
    finish: (taskId, outcome, webhook, now) =>
      inTransaction(db, async (tx) => {
        const changed = await tx
          .updateTable("async_tasks")
          .set({ status: outcome.status, answer_status: outcome.answerStatus, answer: JSON.stringify(outcome.answer) })
          .where("task_id", "=", taskId)
          .where("status", "=", "Running")
          .executeTakeFirst();
        if (changed.numUpdatedRows === 0n || webhook === null) return;
        await addDelivery(tx, webhook, now);
      }),
    async clear() {
      await db.query.deleteFrom("async_tasks").execute();
    },
    async sweep(before) {
      await db.query.deleteFrom("async_tasks").where("created_at", "<", before).execute();
    },
  };
}
