import type { FastifyInstance } from "fastify";
import { createHttpServer, type HttpServerOptions } from "../../../platform/http/create-http-server.ts";

/** A server with the product's manners and a `/health`. The caller adds routes, listens and closes. */
export function createSandboxServer(
  options: HttpServerOptions & { readonly isReady: () => Promise<boolean> },
): FastifyInstance {
  const { service, isReady } = options;
  const app = createHttpServer(options);
  app.get("/health", async (_request, reply) => {
    const ready = await isReady();
    return reply.code(ready ? 200 : 503).send({ status: ready ? "healthy" : "unavailable", service });
  });
  return app;
}
