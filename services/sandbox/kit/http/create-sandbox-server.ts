import type { FastifyInstance } from "fastify";
import type { z } from "zod";
import { createHttpServer, type HttpServerOptions } from "../../../platform/http/create-http-server.ts";
import { noPageWords } from "../../../platform/pages/error-page.ts";
import type { Page } from "../../../platform/pages/layout.ts";
import type { Logger } from "../../../platform/telemetry/logger.ts";
import type { WebhookKeys } from "../webhook-keys.ts";
import type { ControlDeps } from "./control-routes.ts";

/** What every sandbox's server needs. */
export interface SandboxServerDeps<Shape extends z.ZodObject>
  extends Pick<ControlDeps<Shape>, "control" | "deliveries" | "controlKey" | "clock"> {
  readonly keys: WebhookKeys;
  readonly log: Logger;
  readonly isReady: () => Promise<boolean>;
}

/** What a sandbox's server is made from. */
export interface SandboxServerOptions extends Pick<HttpServerOptions, "service" | "errorTable"> {
  /** How a person is told what went wrong. */
  readonly problemPage: (text: string) => Page;
}

/** A server with the product's manners and a `/health`. The caller adds routes, listens and closes. */
export function createSandboxServer(
  options: SandboxServerOptions,
  { log, isReady }: { readonly log: HttpServerOptions["log"]; readonly isReady: () => Promise<boolean> },
): FastifyInstance {
  const { service, errorTable, problemPage } = options;
  const app = createHttpServer({
    service,
    errorTable,
    log,
    errorPage: ({ reason, message }) => problemPage(reason === "NOT_FOUND" ? noPageWords : message),
  });
  app.get("/health", async (_request, reply) => {
    const ready = await isReady();
    return reply.code(ready ? 200 : 503).send({ status: ready ? "healthy" : "unavailable", service });
  });
  return app;
}
