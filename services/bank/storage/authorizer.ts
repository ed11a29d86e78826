import type pg from "pg";
import { sqlStateOf } from "../../platform/db/transaction.ts";
import { DomainError } from "../../platform/errors/domain-error.ts";
import type { Clock } from "../../platform/time/clock.ts";
import type { AuthorizeAnswer, PendingAuthorization } from "./authorization-answer.ts";
import { answerBatch } from "./authorization-batch.ts";

// One statement in flight makes the largest batches. A second one was measured at 64 connections: half the rows a batch, and
// 240 microseconds of PostgreSQL a payment in place of 165 to 185.
const lanesMax = 1;
const batchMax = 64;
const queueMax = 2_000;

/** Gathers concurrent authorize requests into batches: while one batch is in flight the next one fills. */
export interface Authorizer {
  /**
   * Answers one request, durably. Rejects with `UNAVAILABLE` when too many wait, or with the database's error: the
   * outcome is then unknown, and the same idempotency key finds it out.
   */
  authorize(pending: PendingAuthorization): Promise<AuthorizeAnswer>;
}

interface Waiting {
  readonly pending: PendingAuthorization;
  readonly resolve: (answer: AuthorizeAnswer) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Makes the authorizer of one process. Of the connections for hot statements, which nothing else of a bank uses, it takes one at a time.
 */
export function createAuthorizer(deps: { readonly hotPool: pg.Pool; readonly clock: Clock }): Authorizer {
  let queue: Waiting[] = [];
  let lanes = 0;

  async function runLane(): Promise<void> {
    lanes += 1;
    // What arrived in the same turn of the event loop rides along.
    await Promise.resolve();
    while (queue.length > 0) {
      const { batch, rest } = takeBatch(queue);
      queue = rest;
      await answer(batch);
    }
    lanes -= 1;
  }

  async function answer(batch: readonly Waiting[]): Promise<void> {
    try {
      const pending = batch.map((each) => each.pending);
      const answers = await answerBatch(deps.hotPool, pending, deps.clock.now());
      for (const [index, each] of batch.entries()) {
        const found = answers[index];
        if (found === undefined) each.reject(new Error("a batch came back short"));
        else each.resolve(found);
      }
    } catch (error) {
      // One row the database refuses must not fail its neighbours. Nothing of the batch was written then.
      if (batch.length > 1 && isRefusedRow(error)) for (const each of batch) await answer([each]);
      else for (const each of batch) each.reject(error);
    }
  }

  return {
    authorize(pending) {
      if (queue.length >= queueMax) return Promise.reject(new DomainError("UNAVAILABLE"));
      return new Promise((resolve, reject) => {
        queue.push({ pending, resolve, reject });
        if (lanes < lanesMax) void runLane();
      });
    },
  };
}

/** The next batch; a request whose key is already in it waits for the following one, where it is a replay. */
function takeBatch(queue: readonly Waiting[]): { batch: Waiting[]; rest: Waiting[] } {
  const keys = new Set<string>();
  const batch: Waiting[] = [];
  const rest: Waiting[] = [];
  for (const each of queue) {
    const key = each.pending.idempotencyKey;
    if (batch.length >= batchMax || (key !== undefined && keys.has(key))) {
      rest.push(each);
      continue;
    }
    if (key !== undefined) keys.add(key);
    batch.push(each);
  }
  return { batch, rest };
}

/** SQLSTATE classes 22 (data) and 23 (constraint): about one row, never about the connection. */
function isRefusedRow(error: unknown): boolean {
  return /^2[23]/.test(sqlStateOf(error) ?? "");
}
