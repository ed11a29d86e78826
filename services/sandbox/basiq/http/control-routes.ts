import type { FastifyInstance, FastifyRequest } from "fastify";
import { z } from "zod";
import { DomainError } from "../../../platform/errors/domain-error.ts";
import { readControl } from "../../kit/http/request-fields.ts";
import { webhookEvents } from "../domain/events.ts";
import { stepTitles } from "../domain/job.ts";
import type { Connection } from "../domain/records.ts";
import { signatureMode } from "../domain/settings.ts";
import { type ApiDeps, instantOf } from "./api-deps.ts";

type UserRequest = FastifyRequest<{ Params: { userId: string } }>;
type ConnectionRequest = FastifyRequest<{ Params: { connectionId: string } }>;

const secondsMax = 315_360_000;
const daySeconds = 86_400;
const minorMax = 100_000_000;
const timesMax = 100;

/** What only this sandbox has under `/_control`: users, their consents and connections, and their webhooks. */
export function addOwnControlRoutes(scope: FastifyInstance, deps: ApiDeps): void {
  scope.get("/users", async () => ({ users: await deps.users.list() }));
  scope.get("/connections", async () => ({ connections: await deps.connections.listAll() }));
  scope.post("/users/:userId/fail-next-job", async (request: UserRequest) => {
    const shape = z.object({
      step: z.enum(stepTitles).default("verify-credentials"),
      code: z
        .string()
        .regex(/^[a-z-]{3,60}$/)
        .default("invalid-credentials"),
    });
    return { armed: found(await deps.users.failNextJob(request.params.userId, readControl(shape, request.body))) };
  });
  addConsentControls(scope, deps);
  addConnectionControls(scope, deps);
}

function addConsentControls(scope: FastifyInstance, deps: ApiDeps): void {
  scope.post("/users/:userId/consent-end", async (request: UserRequest) => {
    const shape = z.object({ inSeconds: z.number().int().min(-secondsMax).max(secondsMax) });
    const { inSeconds } = readControl(shape, request.body);
    const ends = new Date((await instantOf(deps)).now.getTime() + inSeconds * 1_000);
    found(await deps.consents.moveEnd(request.params.userId, ends));
    return { expiryDate: ends.toISOString() };
  });
  scope.post("/users/:userId/revoke-consent", async (request: UserRequest) => ({
    changed: found(await deps.consents.revoke(request.params.userId, undefined, await instantOf(deps))),
  }));
}

function addConnectionControls(scope: FastifyInstance, deps: ApiDeps): void {
  const changes = { invalidate: "invalidate", activate: "activate", delete: "delete" } as const;
  for (const change of Object.values(changes)) {
    scope.post(`/connections/:connectionId/${change}`, async (request: ConnectionRequest) => {
      const connection = await connectionOf(deps, request);
      return { changed: await deps.connections[change](connection, await instantOf(deps)) };
    });
  }
  scope.post("/connections/:connectionId/transactions", async (request: ConnectionRequest) => {
    const shape = z.object({
      kind: z.enum(["current", "savings", "card"]).default("current"),
      /** What the balance grows by; of a card, what is owed. */
      minor: z.number().int().min(-minorMax).max(minorMax),
      description: z.string().min(1).max(200).default("ADDED BY THE OPERATOR"),
      pending: z.boolean().default(false),
    });
    const { minor, ...added } = readControl(shape, request.body);
    const connection = await connectionOf(deps, request);
    const at = await instantOf(deps);
    await deps.connections.addTransaction(connection.connectionId, { ...added, minor: BigInt(minor), at: at.now });
    return { jobId: (await deps.jobs.start(connection, at)).job.jobId };
  });
  scope.post("/connections/:connectionId/event", async (request: ConnectionRequest) => {
    const shape = z.object({
      eventTypeId: z.enum(webhookEvents),
      signature: signatureMode.optional(),
      skewSeconds: z.number().int().min(-daySeconds).max(daySeconds).optional(),
      times: z.number().int().min(1).max(timesMax).default(1),
    });
    const { eventTypeId, ...twist } = readControl(shape, request.body);
    const connection = await connectionOf(deps, request);
    return { eventId: await deps.connections.send(connection, eventTypeId, await instantOf(deps), twist) };
  });
}

async function connectionOf(deps: ApiDeps, request: ConnectionRequest): Promise<Connection> {
  const connection = await deps.connections.find(request.params.connectionId);
  if (connection === undefined) throw new DomainError("NOT_FOUND");
  return connection;
}

function found(done: boolean): true {
  if (!done) throw new DomainError("NOT_FOUND");
  return true;
}
