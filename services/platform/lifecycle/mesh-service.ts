import type { FastifyInstance } from "fastify";
import type { MeshConfig } from "../config/mesh-config.ts";
import type { Database } from "../db/open-database.ts";
import type { ErrorTable } from "../errors/error-table.ts";
import { createHttpServer } from "../http/create-http-server.ts";
import type { RateLimiter } from "../limits/rate-limiter.ts";
import type { PageError } from "../pages/error-page.ts";
import type { Page } from "../pages/layout.ts";
import type { Authenticators } from "../rpc/authenticate.ts";
import { addConnectRoutes } from "../rpc/connect-routes.ts";
import { startRpcServer } from "../rpc/grpc-server.ts";
import { operatorAuthenticator } from "../rpc/operator-authenticator.ts";
import type { ServiceImplementation } from "../rpc/service-implementation.ts";
import { startTracing } from "../telemetry/tracing.ts";
import type { MeshTls } from "../tls/load-mesh-tls.ts";
import { type ReadinessCheck, startAdminServer } from "./admin-server.ts";
import type { ServiceScope } from "./run-service.ts";

/** What makes one service of the mesh out of its handlers. */
export interface MeshServiceOptions {
  readonly name: string;
  readonly config: MeshConfig;
  readonly tls: MeshTls;
  readonly db: Pick<Database<never>, "isReady">;
  readonly limiter: RateLimiter;
  readonly implementations: readonly ServiceImplementation[];
  /** Beside operators, whose keys are in the configuration of every service. */
  readonly authenticators: Authenticators;
  readonly errorTable: ErrorTable;
  /** Beside the database. */
  readonly checks?: Readonly<Record<string, ReadinessCheck>>;
  /** Shows an error on the HTTP port to a browser that asked for a page; without it errors are JSON for everyone. */
  readonly errorPage?: (error: PageError) => Page;
  /** Pages, redirects and raw webhooks on the HTTP port. */
  readonly http?: (app: FastifyInstance) => Promise<void>;
}

/**
 * Opens the three ports of a service: gRPC and HTTP (Connect, pages), both with mutual TLS, and the operators' port. The
 * ports open when everything behind them stands, and close before it goes.
 */
export async function startMeshService(scope: ServiceScope, options: MeshServiceOptions): Promise<void> {
  const { config, tls, errorTable, implementations, limiter } = options;
  const host = config.BIND_HOST;
  const log = scope.log;
  const tracing = startTracing({
    service: options.name,
    endpoint: config.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT,
    sampleRatio: config.OTEL_TRACES_SAMPLER_ARG,
  });
  scope.onStop("tracing", tracing.stop);

  // The operators' port opens first, and nobody may be sent here before the other two are open, nor once they close.
  let serving = false;
  const checks = { database: () => options.db.isReady(), ...options.checks, serving: async () => serving };
  const admin = await startAdminServer({ host, port: config.ADMIN_PORT, checks, log });
  scope.onStop("admin port", admin.stop);

  const authenticators = { operator: operatorAuthenticator(config.OPERATOR_KEYS), ...options.authenticators };
  const chain = { authenticators, errorTable, log, limiter, implementations };
  const { errorPage } = options;
  const app = createHttpServer({ service: options.name, errorTable, log, tls, ...(errorPage && { errorPage }) });
  await addConnectRoutes(app, chain);
  await options.http?.(app);
  await app.listen({ host, port: config.HTTP_PORT });
  scope.onStop("http port", () => app.close());

  const rpc = await startRpcServer({ service: options.name, ...chain, tls, host, grpcPort: config.GRPC_PORT });
  scope.onStop("grpc port", rpc.stop);
  serving = true;
  scope.onStop("readiness", async () => {
    serving = false;
  });
  log.info({ port: rpc.port }, "serving");
}
