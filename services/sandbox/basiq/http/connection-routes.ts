import type { FastifyInstance, FastifyRequest } from "fastify";
import { notesOf } from "../../kit/http/call-notes.ts";
import { queryOf } from "../../kit/http/request-fields.ts";
import { findInstitution, institutions } from "../domain/banks.ts";
import { basiqError } from "../domain/basiq-error.ts";
import { fulfils, parseFilter } from "../domain/filter.ts";
import type { Connection } from "../domain/records.ts";
import { connectionView, connectorView, jobView } from "../domain/views.ts";
import { type ApiDeps, instantOf } from "./api-deps.ts";
import { listOf } from "./lists.ts";
import { requireUser } from "./user-routes.ts";

type UserRequest = FastifyRequest<{ Params: { userId: string } }>;
type ConnectionRequest = FastifyRequest<{ Params: { userId: string; connectionId: string } }>;
type JobRequest = FastifyRequest<{ Params: { jobId: string } }>;
type ConnectorRequest = FastifyRequest<{ Params: { connectorId: string; method: string } }>;

const connectionFilters = ["connection.id", "connection.status", "institution.id"];
const connectorFilters = [
  "connector.id",
  "connector.method",
  "connector.stage",
  "connector.status",
  "connector.institution.country",
  "connector.institution.tier",
  "connector.institution.type",
];

/** Connections and their refreshes, jobs, and the banks there are. */
export function addConnectionRoutes(api: FastifyInstance, deps: ApiDeps): void {
  api.get("/users/:userId/connections", async (request: UserRequest) => {
    const { userId } = await requireUser(deps, request);
    const filter = parseFilter(queryOf(request.query)["filter"], connectionFilters);
    const connections = (await deps.connections.list(userId)).filter(
      (each) =>
        fulfils(filter, "connection.id", each.connectionId) &&
        fulfils(filter, "connection.status", each.status) &&
        fulfils(filter, "institution.id", each.institutionId),
    );
    const views = connections.map((each) => connectionView(deps.origin, each));
    return listOf(`${deps.origin}/users/${userId}/connections`, views);
  });
  api.get("/users/:userId/connections/:connectionId", async (request: ConnectionRequest) =>
    connectionView(deps.origin, await requireConnection(deps, request, { client: true })),
  );
  api.delete("/users/:userId/connections/:connectionId", async (request: ConnectionRequest, reply) => {
    const connection = await requireConnection(deps, request);
    await deps.connections.delete(connection, await instantOf(deps));
    return reply.code(204).send();
  });
  api.post("/users/:userId/connections/:connectionId/refresh", async (request: ConnectionRequest, reply) => {
    const connection = await requireConnection(deps, request);
    const { job, isNew } = await deps.jobs.start(connection, await instantOf(deps));
    return reply.code(isNew ? 202 : 200).send(jobView(deps.origin, job));
  });
  api.post("/users/:userId/connections/refresh", async (request: UserRequest, reply) => {
    const { userId } = await requireUser(deps, request);
    const at = await instantOf(deps);
    const active = (await deps.connections.list(userId)).filter((each) => each.status === "active");
    const started = await Promise.all(active.map((each) => deps.jobs.start(each, at)));
    const data = started.map(({ job }) => jobView(deps.origin, job));
    return reply.code(202).send({ type: "list", data });
  });
  addJobRoutes(api, deps);
  addConnectorRoutes(api, deps);
}

async function requireConnection(
  deps: ApiDeps,
  request: ConnectionRequest,
  allowed: { client?: boolean } = {},
): Promise<Connection> {
  const { userId } = await requireUser(deps, request, allowed);
  const connection = await deps.connections.find(request.params.connectionId);
  if (connection?.userId !== userId) throw basiqError("resource-not-found");
  return connection;
}

function addJobRoutes(api: FastifyInstance, deps: ApiDeps): void {
  api.get("/jobs/:jobId", async (request: JobRequest) => {
    const grant = await deps.access.require(request, { client: true });
    const job = await deps.jobs.find(request.params.jobId);
    // Of somebody else to a client token: as if it were not there.
    const isHis = grant.userId === null || grant.userId === job?.userId;
    if (job === undefined || !isHis) throw basiqError("resource-not-found");
    notesOf(request).subject = job.userId;
    return jobView(deps.origin, job);
  });
  api.get("/users/:userId/jobs", async (request: UserRequest) => {
    const { userId } = await requireUser(deps, request, { client: true });
    const jobs = await deps.jobs.list(userId);
    return listOf(
      `${deps.origin}/users/${userId}/jobs`,
      jobs.map((each) => jobView(deps.origin, each)),
    );
  });
}

function addConnectorRoutes(api: FastifyInstance, deps: ApiDeps): void {
  api.get("/connectors", async (request) => {
    await deps.access.require(request, { client: true });
    const filter = parseFilter(queryOf(request.query)["filter"], connectorFilters);
    const views = institutions
      .map((each) => connectorView(deps.origin, each))
      .filter(
        ({ id, method, stage, status, institution }) =>
          fulfils(filter, "connector.id", id) &&
          fulfils(filter, "connector.method", method) &&
          fulfils(filter, "connector.stage", stage) &&
          fulfils(filter, "connector.status", status) &&
          fulfils(filter, "connector.institution.country", institution.country) &&
          fulfils(filter, "connector.institution.tier", institution.tier) &&
          fulfils(filter, "connector.institution.type", institution.type),
      );
    return { type: "list", totalCount: views.length, data: views, links: { self: `${deps.origin}/connectors` } };
  });
  api.get("/connectors/:connectorId/:method", async (request: ConnectorRequest) => {
    await deps.access.require(request, { client: true });
    const institution = findInstitution(request.params.connectorId);
    if (institution === undefined || request.params.method !== "open-banking") throw basiqError("resource-not-found");
    return connectorView(deps.origin, institution);
  });
}
