import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Logger } from "../telemetry/logger.ts";
import { writeMetrics } from "../telemetry/metrics.ts";

/** Whether one dependency is usable right now. */
export type ReadinessCheck = () => Promise<boolean>;

export interface AdminServerOptions {
  readonly host: string;
  readonly port: number;
  /** Asked at every readiness request, in parallel, each within `checkTimeoutMs`. */
  readonly checks: Readonly<Record<string, ReadinessCheck>>;
  readonly log: Logger;
}

const checkTimeoutMs = 2_000;

/**
 * Serves `/health/live`, `/health/ready` and `/metrics` for operators on a port of its own, which the gateway does not
 * route. Readiness is 200 only while every check says yes, else 503; both name each check.
 */
export async function startAdminServer(options: AdminServerOptions): Promise<{ port: number; stop(): Promise<void> }> {
  const server = createServer((request, response) => {
    void answer(options, request, response).catch((cause: unknown) => {
      options.log.error({ err: cause }, "admin request failed");
      response.destroy();
    });
  });
  server.requestTimeout = 5_000;
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port, options.host, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port, // a TCP server always has one
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function answer(options: AdminServerOptions, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const path = (request.url ?? "/").split("?")[0];
  if (path === "/metrics") return writeMetrics(request, response);
  if (path === "/health/live") return send(response, 200, { alive: true });
  if (path !== "/health/ready")
    return send(response, 404, { error: "not_found", message: "Not found", code: 5, details: [] });
  const checks = await runChecks(options.checks);
  const ready = Object.values(checks).every((usable) => usable);
  send(response, ready ? 200 : 503, { ready, checks });
}

/** Runs every check in parallel; one that throws or does not answer in time is false. */
export async function runChecks(checks: Readonly<Record<string, ReadinessCheck>>): Promise<Record<string, boolean>> {
  const results = await Promise.all(
    Object.entries(checks).map(async ([name, check]) => [name, await within(check)] as const),
  );
  return Object.fromEntries(results);
}

async function within(check: ReadinessCheck): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), checkTimeoutMs);
  });
  try {
    return await Promise.race([check(), late]);
  } catch {
    return false; // not usable is the answer; why is in the log of the dependency's own client
  } finally {
    clearTimeout(timer);
  }
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "content-type": "application/json", "cache-control": "no-store" });
  response.end(JSON.stringify(body));
}
