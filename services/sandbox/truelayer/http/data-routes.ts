import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { isUuid, uuidv7 } from "../../../platform/ids/uuidv7.ts";
import type { Clock } from "../../../platform/time/clock.ts";
import { notesOf } from "../../kit/http/call-notes.ts";
import { queryOf } from "../../kit/http/request-fields.ts";
import type { ReadMoment } from "../../kit/sandbox-clock.ts";
import type { DataDesk } from "../data-desk.ts";
import { type Resource, resourceNames, resources } from "../domain/resource.ts";
import type { Settings } from "../domain/settings.ts";
import { TrueLayerError } from "../domain/truelayer-error.ts";
import { resultsUri } from "../events.ts";
import type { Connection } from "../storage/connection-store.ts";
import type { TaskStore } from "../storage/task-store.ts";
import type { TokenDesk } from "../token-desk.ts";
import { bearerOf } from "./bearer.ts";

/** What the data host needs. */
export interface DataRoutesDeps {
  readonly desk: TokenDesk;
  readonly data: DataDesk;
  readonly tasks: TaskStore;
  readonly moment: ReadMoment<Settings>;
  readonly clock: Clock;
  readonly origin: string;
}

/** The data host: every reading, at once or with `async=true` as a task whose results are fetched later. */
export function addDataRoutes(scope: FastifyInstance, deps: DataRoutesDeps): void {
  for (const resource of resourceNames) {
    scope.get<{ Params: { accountId?: string } }>(`/data/v1${resources[resource].route}`, (request, reply) =>
      answer(deps, resource, request, reply),
    );
  }
  for (const path of [
    "/accounts/:accountId/direct_debits",
    "/accounts/:accountId/standing_orders",
    "/accounts/:accountId/beneficiaries",
  ]) {
    scope.get(`/data/v1${path}`, async (request) => {
      await connectionOf(deps, request);
      throw new TrueLayerError("endpoint_not_supported");
    });
  }
  scope.get<{ Params: { taskId: string } }>("/data/v1/results/:taskId", async (request) => {
    const connection = await connectionOf(deps, request);
    const { taskId } = request.params;
    const task = isUuid(taskId) ? await deps.tasks.find(taskId, connection.credentialsId) : undefined;
    if (task === undefined) throw new TrueLayerError("not_found");
    return { results: [], ...task.answer, status: task.status, task_id: task.taskId };
  });
  scope.all("/data/v1/*", async () => {
    throw new TrueLayerError("not_found");
  });
}

async function connectionOf(deps: DataRoutesDeps, request: FastifyRequest): Promise<Connection> {
  const connection = await deps.desk.connectionOf(bearerOf(request.headers.authorization));
  notesOf(request).subject = connection.credentialsId;
  return connection;
}

async function answer(
  deps: DataRoutesDeps,
  resource: Resource,
  request: FastifyRequest<{ Params: { accountId?: string } }>,
  reply: FastifyReply,
): Promise<unknown> {
  const connection = await connectionOf(deps, request);
  const query = queryOf(request.query);
  const reading = { resource, accountId: request.params.accountId ?? null, query };
  const moment = await deps.moment();
  if (query["async"] !== "true") {
    return { results: await deps.data.read(connection, reading, moment), status: "Succeeded" };
  }
  deps.data.check(connection, resource, moment);
  const taskId = uuidv7();
  const task = {
    taskId,
    credentialsId: connection.credentialsId,
    request: { ...reading, path: request.url },
    webhookUri: webhookUriOf(query["webhook_uri"]),
    createdAt: moment.now,
  };
  await deps.tasks.add(task, new Date(deps.clock.now().getTime() + moment.settings.asyncDelayMs));
  return reply.code(202).send({ results_uri: resultsUri(deps.origin, taskId), status: "Queued", task_id: taskId });
}

function webhookUriOf(text: string | undefined): string | null {
  if (text === undefined || text === "") return null;
  const isWeb = URL.canParse(text) && ["http:", "https:"].includes(new URL(text).protocol);
  if (!isWeb || text.length > 1_000) throw new TrueLayerError("validation_error", "webhook_uri is not valid.");
  return text;
}
