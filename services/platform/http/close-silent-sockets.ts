import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { FastifyInstance } from "fastify";

/**
 * Ends, on close, connections that never sent a request. Browsers open such connections ahead of need, Node does not count
 * them as idle, and without this one of them would hold a shutdown until the connection timeout.
 */
export function closeSilentSockets(app: FastifyInstance): void {
  const silent = new Set<Socket>();
  // With TLS a request's socket is the one of "secureConnection", not the one beneath it.
  const opened = "setSecureContext" in app.server ? "secureConnection" : "connection";
  app.server.on(opened, (socket: Socket) => {
    silent.add(socket);
    socket.once("close", () => silent.delete(socket));
  });
  app.server.on("request", (request: IncomingMessage) => silent.delete(request.socket));
  app.addHook("preClose", async () => {
    for (const socket of silent) socket.destroy();
  });
}
