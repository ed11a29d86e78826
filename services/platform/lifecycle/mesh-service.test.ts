import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { z } from "zod";
import { freePorts } from "../../../deploy/local/free-ports.ts";
import { meshConfigShape } from "../config/mesh-config.ts";
import { readConfig } from "../config/read-config.ts";
import { genericErrors } from "../errors/error-table.ts";
import { createLogger } from "../telemetry/logger.ts";
import { systemClock } from "../time/clock.ts";
import { ensureAuthority } from "../tls/authority.ts";
import { loadMeshTls } from "../tls/load-mesh-tls.ts";
import { startMeshService } from "./mesh-service.ts";

const secret = "a secret for tests, thirty-two long!";
let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), "mesh-service-"));
  await ensureAuthority({ directory, services: ["router"] });
});

afterAll(async () => {
  await rm(directory, { recursive: true, force: true });
});

it("is ready from the moment all its ports are open until it is told to stop", async () => {
  const [grpcPort, httpPort, adminPort] = await freePorts(3);
  const files = {
    certFile: path.join(directory, "router.pem"),
    keyFile: path.join(directory, "router.key"),
    caFile: path.join(directory, "ca.pem"),
  };
  const config = readConfig(z.object(meshConfigShape), {
    PAYMESH_ENV: "local",
    ...{ GRPC_PORT: String(grpcPort), HTTP_PORT: String(httpPort), ADMIN_PORT: String(adminPort) },
    ...{ DATABASE_URL: "postgres://nobody@127.0.0.1:1/none", DATABASE_SCHEMA: "none" },
    ...{ TLS_CERT_FILE: files.certFile, TLS_KEY_FILE: files.keyFile, TLS_CA_FILE: files.caFile },
    ...{ API_KEY_PEPPER: secret, OPERATOR_KEYS: "tester:operator-key-for-tests" },
  });
  const log = createLogger({ service: "router", level: "silent" });
  const stops: (() => Promise<void>)[] = [];
  const scope = {
    env: {},
    log,
    clock: systemClock,
    onStop: (_: string, stop: () => Promise<void>) => stops.push(stop),
  };
  const pages = Promise.withResolvers<void>();
  const starting = startMeshService(scope, {
    name: "router",
    config,
    tls: await loadMeshTls(files),
    db: { isReady: async () => true },
    limiter: { take: async () => ({ allowed: true, retryAfterSeconds: 0 }) },
    implementations: [],
    authenticators: {},
    errorTable: genericErrors,
    http: () => pages.promise,
  });
  const ready = async () => {
    const response = await fetch(`http://127.0.0.1:${adminPort}/health/ready`);
    return { status: response.status, body: await response.json() };
  };
  await expect.poll(ready).toEqual({
    status: 503,
    body: { ready: false, checks: { database: true, serving: false } },
  });
  pages.resolve();
  await starting;
  expect(await ready()).toEqual({ status: 200, body: { ready: true, checks: { database: true, serving: true } } });
  await stops.pop()?.();
  expect((await ready()).status).toBe(503);
  for (const stop of stops.reverse()) await stop();
});
