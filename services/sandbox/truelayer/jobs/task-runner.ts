import type { Logger } from "../../../platform/telemetry/logger.ts";
import type { Clock } from "../../../platform/time/clock.ts";
import type { Moment, ReadMoment } from "../../kit/sandbox-clock.ts";
import type { DataDesk } from "../data-desk.ts";
import type { Settings } from "../domain/settings.ts";
import { TrueLayerError, trueLayerErrorBody } from "../domain/truelayer-error.ts";
import { taskWebhook } from "../events.ts";
import type { ConnectionStore } from "../storage/connection-store.ts";
import type { AsyncTask, TaskStore } from "../storage/task-store.ts";

const leaseMs = 30_000;
const tasksAtOnceMax = 50;

/** What running asynchronous calls needs. */
export interface TaskRunnerDeps {
  readonly tasks: TaskStore;
  readonly connections: ConnectionStore;
  readonly data: DataDesk;
  readonly origin: string;
  readonly moment: ReadMoment<Settings>;
  readonly clock: Clock;
  readonly log: Pick<Logger, "error">;
}

/** Moves asynchronous calls on: queued, running, done. Reading twice after a crash does no harm. */
export async function runDueTasks(deps: TaskRunnerDeps): Promise<void> {
  const moment = await deps.moment();
  const now = deps.clock.now();
  await deps.tasks.start(now, new Date(now.getTime() + moment.settings.asyncDelayMs));
  for (let done = 0; done < tasksAtOnceMax; done += 1) {
    const task = await deps.tasks.claim(now, new Date(now.getTime() + leaseMs));
    if (task === undefined) return;
    await runTask(deps, task, moment);
  }
}

async function runTask(deps: TaskRunnerDeps, task: AsyncTask, moment: Moment<Settings>): Promise<void> {
  const outcome = await readFor(deps, task, moment);
  const webhook = taskWebhook(task, outcome.status, deps.origin);
  await deps.tasks.finish(task.taskId, outcome, webhook, deps.clock.now());
}

async function readFor(deps: TaskRunnerDeps, task: AsyncTask, moment: Moment<Settings>) {
  try {
    const connection = await deps.connections.find(task.credentialsId);
    if (connection === undefined) throw new TrueLayerError("access_denied");
    const results = await deps.data.read(connection, task.request, moment);
    return { status: "Succeeded" as const, answerStatus: 200, answer: { results } };
  } catch (cause) {
    if (!(cause instanceof TrueLayerError)) deps.log.error({ err: cause }, "asynchronous call failed");
    const error = cause instanceof TrueLayerError ? cause : new TrueLayerError("internal_server_error");
    return { status: "Failed" as const, answerStatus: error.status, answer: trueLayerErrorBody(error) };
  }
}
