import { createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** A load balancer that sends every request elsewhere than the one before. */
export interface AlternatingProxy {
  readonly url: string;
  /** How many requests each target has had. */
  readonly counts: ReadonlyMap<string, number>;
  /** Origins to send to, in turn; 503 while there are none. */
  sendTo(...targets: string[]): void;
  stop(): Promise<void>;
}

/** Starts one on a free port of 127.0.0.1. */
export async function startAlternatingProxy(): Promise<AlternatingProxy> {
  let targets: readonly string[] = [];
  let turn = 0;
  const counts = new Map<string, number>();
  const server = createServer((incoming, outgoing) => {
    const target = targets[turn % Math.max(targets.length, 1)];
    turn += 1;
    if (target === undefined) {
      outgoing.writeHead(503).end();
      return;
    }
    counts.set(target, (counts.get(target) ?? 0) + 1);
    forward(target, incoming, outgoing);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo; // a TCP server always has one
  return {
    url: `http://127.0.0.1:${port}`,
    counts,
    sendTo: (...origins) => {
      targets = origins;
    },
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function forward(target: string, incoming: IncomingMessage, outgoing: ServerResponse): void {
  const { hostname, port } = new URL(target);
  const { method, url, headers } = incoming;
  const sent = request({ hostname, port, method, path: url, headers, agent: false }, (answer) => {
    outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
    answer.pipe(outgoing);
  });
  sent.once("error", () => outgoing.writeHead(502).end());
  incoming.pipe(sent);
}
