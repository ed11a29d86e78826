import os from "node:os";
import path from "node:path";
import { findEnvoy } from "../envoy/find-envoy.ts";
import { containerGatewayOptions, type GatewayOptions } from "../envoy/gateway-options.ts";
import { planEnvoy } from "../envoy/start-envoy.ts";
import type { MeshProcessName } from "./crew.ts";
import { answersOk, type ProcessPlan } from "./managed-process.ts";
import type { MeshOptions } from "./mesh.ts";
import type { Ports } from "./ports.ts";
import { origin, repositoryRoot, type ServicePlan, type WorldFacts } from "./world.ts";

const readyTimeoutMs = 45_000;
/**
 * Requests here make much garbage and keep little. With these a busy process stays below 200 MB, where Node's own sizes let it hold 350:
 * docs/adr/heap-limits-of-processes.md.
 */
const heapFlags = ["--max-semi-space-size=8", "--max-old-space-size=192", "--heap-growing-percent=60"];
/** The C library's own pools of memory, one for each thread unless told, are never given back; nor are large pieces in the midst of a pool. */
const memoryVariables = {
  MALLOC_ARENA_MAX: "1",
  MALLOC_MMAP_THRESHOLD_: "262144",
  MALLOC_TRIM_THRESHOLD_: "262144",
};
const inheritedNames = [
  "PATH",
  "HOME",
  "NODE_COMPILE_CACHE",
  "NODE_OPTIONS",
  "LOG_LEVEL",
  "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
];

/** How to run the gateway of this mesh; installs Envoy where it is missing. */
export async function planGateway(options: MeshOptions, ports: Ports): Promise<ProcessPlan> {
  const { directory } = options;
  const binary = await findEnvoy({
    directory: path.join(repositoryRoot, ".local"),
    env: options.environment,
    ...(options.onProgress === undefined ? {} : { onProgress: options.onProgress }),
  });
  const upstream = (name: "registry" | "router" | "wallet" | "credential") => ({
    host: "127.0.0.1",
    grpcPort: ports[`${name}-grpc`],
    httpPort: ports[`${name}-http`],
  });
  const gateway: GatewayOptions = {
    ...containerGatewayOptions,
    listenHost: "127.0.0.1",
    port: ports.gateway,
    oidcPort: ports.oidc,
    adminPort: ports["gateway-admin"],
    upstreams: {
      registry: upstream("registry"),
      router: upstream("router"),
      wallet: upstream("wallet"),
      credential: upstream("credential"),
    },
    tls: {
      certFile: path.join(directory, "certs", "gateway.pem"),
      keyFile: path.join(directory, "certs", "gateway.key"),
      caFile: path.join(directory, "certs", "ca.pem"),
    },
    descriptorFile: path.join(repositoryRoot, "gen/descriptors/paymesh.binpb"),
    openapiFile: path.join(repositoryRoot, "gen/openapi/paymesh.json"),
  };
  return planEnvoy({
    binary,
    gateway,
    configFile: path.join(directory, "envoy.json"),
    logFile: logFile(directory, "gateway"),
    cwd: directory,
    concurrency: options.gatewayThreads ?? os.availableParallelism(),
  });
}

/** How to run one of our programs. */
export function planService(plan: ServicePlan, facts: WorldFacts, options: MeshOptions): ProcessPlan {
  const readyUrl = origin(facts.ports[plan.readyPort]) + plan.readyPath;
  return {
    name: plan.name,
    command: process.execPath,
    args: [...heapFlags, path.join(repositoryRoot, plan.main)],
    env: {
      // Nothing of the caller's environment comes in by accident.
      ...memoryVariables,
      ...inherited(options.environment),
      PAYMESH_ENV: "local",
      BIND_HOST: "127.0.0.1",
      ...plan.env(facts),
      ...options.env?.all,
      ...options.env?.[plan.name],
    },
    cwd: repositoryRoot,
    logFile: logFile(facts.directory, plan.name),
    isReady: () => answersOk(readyUrl),
    readyTimeoutMs,
  };
}

function inherited(environment: MeshOptions["environment"]): Record<string, string> {
  const entries = inheritedNames.flatMap((name) => {
    const value = environment[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  return Object.fromEntries(entries);
}

/** Where a program of the mesh writes. */
export function logFile(directory: string, name: MeshProcessName): string {
  return path.join(directory, "logs", `${name}.log`);
}
