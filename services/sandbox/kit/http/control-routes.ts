import type { FastifyInstance, FastifyRequest } from "fastify";
import { z } from "zod";
import { DomainError } from "../../../platform/errors/domain-error.ts";
import { isUuid } from "../../../platform/ids/uuidv7.ts";
import { textsEqual } from "../../../platform/secrets/keyed-hash.ts";
import type { Clock } from "../../../platform/time/clock.ts";
import { type Fault, faultShape, type RefusalOf } from "../domain/fault.ts";
import type { ControlStore } from "../storage/control-store.ts";
import type { DeliveryStore } from "../storage/delivery-store.ts";
import type { WebhookKeys } from "../webhook-keys.ts";
import { headerOf, queryOf, readControl } from "./request-fields.ts";

/** What the shared part of the control API needs. */
export interface ControlDeps<Shape extends z.ZodObject> {
  readonly controlKey: string;
  readonly control: ControlStore<z.infer<Shape>>;
  readonly settingsShape: Shape;
  readonly deliveries: DeliveryStore;
  /** Of providers that sign with a key pair. */
  readonly keys?: WebhookKeys | undefined;
  readonly clock: Clock;
  readonly refusalOf: RefusalOf;
  /** Forgets what is the sandbox's own; the rest is forgotten already. */
  reset(): Promise<void>;
}

/**
 * Everything under `/_control`, for who holds the sandbox's key: faults, settings, the record of calls, webhooks. `addOwn`
 * adds the sandbox's own routes below the same prefix and behind the same key.
 */
export function addControlRoutes<Shape extends z.ZodObject>(
  app: FastifyInstance,
  deps: ControlDeps<Shape>,
  addOwn: (scope: FastifyInstance) => void,
): void {
  app.register(
    async (scope) => {
      scope.addHook("onRequest", async (request) => {
        const given = headerOf(request, "x-sandbox-key");
        if (given === undefined || !textsEqual(given, deps.controlKey)) throw new DomainError("UNAUTHENTICATED");
      });
      addFaultRoutes(scope, deps);
      addSettingsRoutes(scope, deps);
      addCallRoutes(scope, deps.control);
      addWebhookRoutes(scope, deps);
      scope.post("/reset", async (_request, reply) => {
        const { control, deliveries } = deps;
        await Promise.all([control.clearFaults(), control.clearCalls(), deliveries.clear()]);
        await control.saveSettings(deps.settingsShape.parse({}));
        await deps.reset();
        return reply.code(204).send();
      });
      addOwn(scope);
    },
    { prefix: "/_control" },
  );
}

function addFaultRoutes<Shape extends z.ZodObject>(scope: FastifyInstance, deps: ControlDeps<Shape>): void {
  const { control } = deps;
  scope.get("/faults", async () => ({ faults: await control.listFaults() }));
  scope.post("/faults", async (request, reply) => {
    const fault = readControl(faultShape, request.body);
    requireWords(deps.refusalOf, fault);
    return reply.code(201).send(await control.addFault(fault));
  });
  scope.delete("/faults", async (_request, reply) => {
    await control.clearFaults();
    return reply.code(204).send();
  });
}

function requireWords(refusalOf: RefusalOf, fault: Fault): void {
  if (fault.kind === "provider_error" && refusalOf(fault, "") === undefined) {
    throw new DomainError("INVALID_ARGUMENT", { why: "code: not one the provider documents" });
  }
}

function addSettingsRoutes<Shape extends z.ZodObject>(scope: FastifyInstance, deps: ControlDeps<Shape>): void {
  const { control, settingsShape } = deps;
  scope.get("/settings", () => control.settings());
  scope.route({
    method: ["PATCH", "PUT"],
    url: "/settings",
    handler: async (request) => {
      // Members not given keep what they are.
      const given = readControl(z.record(z.string(), z.unknown()), request.body);
      const settings = readControl(settingsShape.strict(), { ...(await control.settings()), ...given });
      await control.saveSettings(settingsShape.parse(settings));
      return settings;
    },
  });
  scope.delete("/settings", async (_request, reply) => {
    await control.saveSettings(settingsShape.parse({}));
    return reply.code(204).send();
  });
}

function addCallRoutes(scope: FastifyInstance, control: Pick<ControlStore<unknown>, "listCalls" | "clearCalls">): void {
  scope.get("/calls", async (request) => {
    const { after = "0", path } = queryOf(request.query);
    const calls = await control.listCalls({ after: /^\d{1,18}$/.test(after) ? BigInt(after) : 0n, path });
    return { calls: calls.map((call) => ({ ...call, id: String(call.id) })) };
  });
  scope.delete("/calls", async (_request, reply) => {
    await control.clearCalls();
    return reply.code(204).send();
  });
}

function addWebhookRoutes<Shape extends z.ZodObject>(scope: FastifyInstance, deps: ControlDeps<Shape>): void {
  const { deliveries, keys, clock } = deps;
  scope.get("/webhooks", async () => ({ webhooks: await deliveries.list() }));
  scope.post("/webhooks/:id/resend", async (request: FastifyRequest<{ Params: { id: string } }>) => {
    const { id } = request.params;
    if (!isUuid(id) || !(await deliveries.resend(id, clock.now()))) throw new DomainError("NOT_FOUND");
    return { queued: true };
  });
  if (keys !== undefined) scope.post("/webhook-keys/rotate", async () => ({ kid: await keys.rotate() }));
}
