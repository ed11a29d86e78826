import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import type { DescService } from "@bufbuild/protobuf";
import type { FastifyInstance } from "fastify";
import { Credential } from "../../../gen/es/paymesh/credential/v1/credential_pb.js";
import { Registry } from "../../../gen/es/paymesh/registry/v1/registry_pb.js";
import { Router } from "../../../gen/es/paymesh/router/v1/router_pb.js";
import { Wallet } from "../../../gen/es/paymesh/wallet/v1/wallet_pb.js";
import { DomainError } from "../../../services/platform/errors/domain-error.ts";
import { type ErrorTable, genericErrors } from "../../../services/platform/errors/error-table.ts";
import { createHttpServer } from "../../../services/platform/http/create-http-server.ts";
import type { Authenticators } from "../../../services/platform/rpc/authenticate.ts";
import type { CallContext } from "../../../services/platform/rpc/call-context.ts";
import { addConnectRoutes } from "../../../services/platform/rpc/connect-routes.ts";
import { type RpcServer, startRpcServer } from "../../../services/platform/rpc/grpc-server.ts";
import type { AnyUnaryHandler, ServiceImplementation } from "../../../services/platform/rpc/service-implementation.ts";
import { createLogger } from "../../../services/platform/telemetry/logger.ts";
import { ensureAuthority } from "../../../services/platform/tls/authority.ts";
import { loadMeshTls } from "../../../services/platform/tls/load-mesh-tls.ts";
import { freePorts } from "../../local/free-ports.ts";
import { type ManagedProcess, startProcess } from "../../local/managed-process.ts";
import { findEnvoy } from "../find-envoy.ts";
import { containerGatewayOptions, type GatewayOptions, type Upstream } from "../gateway-options.ts";
import { planEnvoy } from "../start-envoy.ts";

/** What the next call of a method does, by `Service.method`. */
export type Behaviours = Map<string, (request: Record<string, unknown>, ctx: CallContext) => Promise<unknown>>;

/** A real Envoy before four small services of the real contract, joined by real certificates. */
export interface GatewayWorld {
  readonly url: string;
  readonly oidcUrl: string;
  readonly behaviours: Behaviours;
  /** The wallet's HTTP port, for routes a test adds before anything calls it. */
  readonly options: GatewayOptions;
  stopService(name: "registry" | "router" | "wallet" | "credential"): Promise<void>;
  stop(): Promise<void>;
}

const root = fileURLToPath(new URL("../../..", import.meta.url));
const services = { registry: Registry, router: Router, wallet: Wallet, credential: Credential };
const log = createLogger({ service: "test", level: "silent" });

const errorTable: ErrorTable = {
  ...genericErrors,
  AMOUNT_INVALID: {
    code: 3,
    http: 400,
    error: "invalid_amount",
    message: 'The "amount" is wrong',
    members: () => ({ required: ["amount"], note: 'é \\ "' }),
  },
  PAYMENT_EXPIRED: { code: 9, http: 410, error: "PAYMENT_EXPIRED", message: "Too late" },
  CARD_TOKEN_ERROR: { code: 14, http: 502, error: "CARD_TOKEN_ERROR", message: "The bank gave no token" },
};

/** Lets every caller in: what is tested here is the gateway. */
const authenticators: Authenticators = {
  merchant: async () => ({ kind: "merchant", merchantId: "m1", keyId: "k1" }),
  mobile_user: async () => ({ kind: "mobile_user", userId: "u1", deviceId: "d1" }),
  web_user: async () => ({ kind: "web_user", userId: "u1", sessionId: "s1" }),
  operator: async () => ({ kind: "operator", name: "test" }),
};

/** Adds routes to the HTTP port of a service. */
export type AddPages = Partial<Record<keyof typeof services, (app: FastifyInstance) => void>>;

/** Starts it. `addPages` registers routes of services' HTTP ports, `errors` are the reasons they know. `change` adjusts the gateway's options. */
export async function startGatewayWorld(
  given: { addPages?: AddPages; errors?: ErrorTable; change?: Partial<GatewayOptions> } = {},
): Promise<GatewayWorld> {
  const directory = await mkdtemp(path.join(tmpdir(), "paymesh-gateway-"));
  const names = ["registry", "router", "wallet", "credential"] as const;
  await ensureAuthority({ directory, services: [...names, "gateway"] });
  const behaviours: Behaviours = new Map();
  const stops = new Map<string, () => Promise<void>>();
  const [port = 0, oidcPort = 0, adminPort = 0] = await freePorts(3);
  const entries = names.map(async (name): Promise<[string, Upstream]> => {
    const started = await startTestService(directory, name, behaviours, given);
    stops.set(name, started.stop);
    return [name, { host: "127.0.0.1", grpcPort: started.grpcPort, httpPort: started.httpPort }];
  });
  const options: GatewayOptions = {
    ...containerGatewayOptions,
    ...{ listenHost: "127.0.0.1", port, oidcPort, adminPort },
    // Every name of the list is there by construction.
    upstreams: Object.fromEntries(await Promise.all(entries)) as unknown as GatewayOptions["upstreams"],
    tls: {
      certFile: path.join(directory, "gateway.pem"),
      keyFile: path.join(directory, "gateway.key"),
      caFile: path.join(directory, "ca.pem"),
    },
    descriptorFile: path.join(root, "gen/descriptors/paymesh.binpb"),
    openapiFile: path.join(root, "gen/openapi/paymesh.json"),
    checkMobileTokens: false,
    ...given.change,
  };
  const envoy = await startTestEnvoy(directory, options);
  return {
    url: `http://127.0.0.1:${port}`,
    oidcUrl: `http://127.0.0.1:${oidcPort}`,
    behaviours,
    options,
    stopService: async (name) => {
      await stops.get(name)?.();
      stops.delete(name);
    },
    stop: async () => {
      await envoy.kill("SIGKILL");
      await Promise.all([...stops.values()].map((stop) => stop()));
      await rm(directory, { recursive: true, force: true });
    },
  };
}

async function startTestEnvoy(directory: string, gateway: GatewayOptions): Promise<ManagedProcess> {
  const binary = await findEnvoy({ directory: path.join(root, ".local"), env: process.env });
  const plan = await planEnvoy({
    binary,
    gateway,
    configFile: path.join(directory, "envoy.json"),
    logFile: path.join(directory, "envoy.log"),
    cwd: directory,
    concurrency: 1,
  });
  return startProcess(plan);
}

interface StartedService {
  readonly grpcPort: number;
  readonly httpPort: number;
  stop(): Promise<void>;
}

async function startTestService(
  directory: string,
  name: keyof typeof services,
  behaviours: Behaviours,
  given: { addPages?: AddPages; errors?: ErrorTable },
): Promise<StartedService> {
  const tls = await loadMeshTls({
    certFile: path.join(directory, `${name}.pem`),
    keyFile: path.join(directory, `${name}.key`),
    caFile: path.join(directory, "ca.pem"),
  });
  const implementations = [implementAll(services[name], behaviours)];
  const table = { ...errorTable, ...given.errors };
  const shared = { implementations, authenticators, errorTable: table, log };
  const rpc: RpcServer = await startRpcServer({ ...shared, service: name, host: "127.0.0.1", grpcPort: 0, tls });
  const app = createHttpServer({ service: name, errorTable: table, log, tls });
  given.addPages?.[name]?.(app);
  await addConnectRoutes(app, shared);
  const address = new URL(await app.listen({ host: "127.0.0.1", port: 0 }));
  return {
    grpcPort: rpc.port,
    httpPort: Number(address.port),
    stop: async () => {
      await Promise.all([rpc.stop(), app.close()]);
    },
  };
}

function implementAll(service: DescService, behaviours: Behaviours): ServiceImplementation {
  const handlers: Record<string, AnyUnaryHandler> = {};
  for (const method of service.methods) {
    handlers[method.localName] = async (request, ctx) => {
      const behaviour = behaviours.get(`${service.name}.${method.localName}`);
      if (behaviour === undefined) throw new DomainError("NOT_FOUND");
      // Tests answer with the fields of the method they name.
      return (await behaviour(request as Record<string, unknown>, ctx)) as Record<string, unknown>;
    };
  }
  return { service, handlers };
}
