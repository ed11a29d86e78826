import { chmodSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import path from "node:path";
import { ensureAuthority } from "../../services/platform/tls/authority.ts";
import { Crew, type MeshProcessName, stopGraceMs } from "./crew.ts";
import { dataDirectoryOf, describeOtherClusters } from "./data-directory.ts";
import { endLeftOvers } from "./left-overs.ts";
import { type Installation, openLocalSecrets } from "./local-secrets.ts";
import type { ProcessPlan } from "./managed-process.ts";
import {
  awaitBanks,
  awaitMobileKeys,
  type OperatorCallsOptions,
  setUpBankClients,
  setUpRegistry,
} from "./operator-calls.ts";
import { ensureMasterKeyFile, writeOperatorEnvironment } from "./operator-environment.ts";
import { logFile, planGateway, planService } from "./plan-processes.ts";
import { defaultPorts, type Ports } from "./ports.ts";
import { startEmbeddedPostgres } from "./postgres.ts";
import { hasCluster } from "./postgres-cluster.ts";
import { prepareDatabase } from "./prepare-database.ts";
import { type ProviderName, providerNames } from "./provider-sandboxes.ts";
import { choosePlans, origin, type ServiceName, type WorldFacts } from "./world.ts";

export type { MeshProcessName } from "./crew.ts";

/** Options of `startMesh`. */
export interface MeshOptions {
  /** Everything the mesh writes lies here: secrets, certificates, logs, the gateway's configuration. */
  readonly directory: string;
  /** The usual ones unless told. */
  readonly ports?: Ports;
  /** A PostgreSQL whose role may create roles and schemas; one of the mesh's own is started when absent. */
  readonly databaseUrl?: string;
  /** Put before the role names, for several meshes on one server. */
  readonly rolePrefix?: string;
  /** Fewer programs than all. The gateway always runs. */
  readonly services?: readonly ServiceName[];
  /** Further environment, for all programs or by name. */
  readonly env?: Readonly<Partial<Record<ServiceName | "all", Readonly<Record<string, string>>>>>;
  /** Worker threads of the gateway; one for each core unless told. */
  readonly gatewayThreads?: number;
  /** The caller's environment: PATH, ENVOY_BIN, LOG_LEVEL and a few more are read. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Gives up a start that is under way; everything started so far ends. */
  readonly signal?: AbortSignal;
  /** Told what is being done, one line at a time. */
  readonly onProgress?: (text: string) => void;
}

/** Where everything answers. */
export interface MeshUrls {
  readonly gateway: string;
  readonly oidc: string;
  readonly banks: Readonly<Record<"north-bank" | "maple-bank", string>>;
  readonly shop: string;
  readonly mail: string;
  /** Stand-ins of data providers. */
  readonly providers: Readonly<Record<ProviderName, string>>;
  /** Health and metrics of the mesh's services. */
  readonly admin: Readonly<Record<"registry" | "router" | "wallet" | "credential", string>>;
}

/** A running mesh. Whoever started it stops it. */
export interface Mesh {
  readonly urls: MeshUrls;
  readonly ports: Ports;
  /** Holds its logs, certificates, and what operators' commands need. */
  readonly directory: string;
  /** The administrator's address of its PostgreSQL. */
  readonly databaseUrl: string;
  /** Names of what runs. */
  readonly processes: readonly MeshProcessName[];
  pid(name: MeshProcessName): number | undefined;
  /** The environment a process was given; holds its secrets. */
  environment(name: MeshProcessName): Readonly<Record<string, string>>;
  /** Sends a signal and waits until the process is gone; it stays away until `restart`. */
  kill(name: MeshProcessName, signal: NodeJS.Signals): Promise<void>;
  /** Stops the process when it runs, starts it again and waits until it is ready. */
  restart(name: MeshProcessName): Promise<void>;
  /** Everything the program wrote since the mesh started. */
  logs(name: MeshProcessName): string;
  /** Resolves to the name of the first process that ends without being asked. */
  readonly unexpectedExit: Promise<MeshProcessName>;
  /** Ends all in reverse order; in-flight requests are finished. A second call does nothing. */
  stop(): Promise<void>;
}

/**
 * Starts the local world and waits until it can be used: database, migrations, certificates, every program, the gateway, and
 * the operators' calls that make the demo world. Throws the error of what failed first, with nothing left running.
 */
export async function startMesh(options: MeshOptions): Promise<Mesh> {
  const ports = options.ports ?? defaultPorts;
  const crew = new Crew(path.join(options.directory, "run.json"));
  const stop = once(() => crew.stop());
  const onAbort = () => void stop();
  options.signal?.addEventListener("abort", onAbort, { once: true });
  try {
    const { databaseUrl, plans, world } = await prepare(options, ports, crew);
    options.onProgress?.("Starting services");
    await startAll(plans, crew, world);
    return {
      ...describe(ports, databaseUrl),
      directory: options.directory,
      processes: [...plans.keys()],
      pid: (name) => crew.find(name).pid,
      environment: (name) => crew.find(name).plan.env,
      kill: (name, signal) => crew.find(name).kill(signal),
      restart: async (name) => {
        await crew.find(name).stop(stopGraceMs);
        await crew.start(plans, name);
      },
      logs: (name) => readFileSync(logFile(options.directory, name), "utf8"),
      unexpectedExit: crew.unexpectedExit(),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  } finally {
    options.signal?.removeEventListener("abort", onAbort);
  }
}

interface Prepared {
  readonly databaseUrl: string;
  readonly plans: ReadonlyMap<MeshProcessName, ProcessPlan>;
  readonly world: OperatorCallsOptions;
}

async function prepare(options: MeshOptions, ports: Ports, crew: Crew): Promise<Prepared> {
  const { directory } = options;
  mkdirSync(directory, { recursive: true });
  chmodSync(directory, 0o700);
  await endLeftOvers(path.join(directory, "run.json"));
  rmSync(path.join(directory, "logs"), { recursive: true, force: true });
  const services = choosePlans(options.services);
  const secrets = openLocalSecrets(path.join(directory, "secrets.json"));
  ensureMasterKeyFile(directory, secrets);
  options.onProgress?.("Starting PostgreSQL");
  const database = startDatabase(options, { ports, crew, installation: secrets.installation }).then(
    async (adminUrl) => {
      const rolePrefix = options.rolePrefix ?? "paymesh_";
      return { adminUrl, urlFor: await prepareDatabase({ adminUrl, plans: services, secrets, rolePrefix }) };
    },
  );
  const names = ["registry", "router", "wallet", "credential", "gateway"];
  const gateway = ensureAuthority({ directory: path.join(directory, "certs"), services: names }).then(() =>
    planGateway(options, ports),
  );
  // Both to their end, so that a failure of one cannot leave the other's work behind.
  await Promise.allSettled([database, gateway]);
  const { adminUrl, urlFor } = await database;
  const facts: WorldFacts = { ports, secrets, directory, databaseUrl: urlFor };
  const plans = new Map<MeshProcessName, ProcessPlan>([["gateway", await gateway]]);
  for (const service of services) plans.set(service.name, planService(service, facts, options));
  const credential = plans.get("credential");
  if (credential !== undefined) writeOperatorEnvironment(directory, credential.env);
  return { databaseUrl: adminUrl, plans, world: { ports, secrets } };
}

async function startAll(
  plans: ReadonlyMap<MeshProcessName, ProcessPlan>,
  crew: Crew,
  world: OperatorCallsOptions,
): Promise<void> {
  const start = (name: MeshProcessName) => crew.start(plans, name);
  const banks = async (): Promise<void> => {
    await Promise.all([start("gateway"), start("registry")]);
    if (plans.has("registry")) await setUpRegistry(world);
    // The banks register themselves when they start, so their keys have to be there.
    await Promise.all([start("north-bank"), start("maple-bank")]);
  };
  const others = ["router", "credential", "wallet", "shop", "mail", ...providerNames] as const;
  await Promise.all([banks(), ...others.map(start)]);
  if (plans.has("wallet")) await awaitMobileKeys(world.ports);
  if (plans.has("north-bank") && plans.has("maple-bank")) {
    await setUpBankClients(world, plans.has("credential"));
    if (plans.has("registry")) await awaitBanks(world.ports, plans.has("wallet"));
  }
}

async function startDatabase(
  options: MeshOptions,
  parts: { ports: Ports; crew: Crew; installation: Installation },
): Promise<string> {
  if (options.databaseUrl !== undefined) return options.databaseUrl;
  const dataDirectory = dataDirectoryOf(parts.installation.dataFolder);
  if (!(await hasCluster(dataDirectory))) {
    const others = await describeOtherClusters(dataDirectory);
    if (others !== undefined) options.onProgress?.(others);
  }
  const server = await startEmbeddedPostgres({ dataDirectory, port: parts.ports.postgres, durable: true });
  await parts.crew.onStop(() => server.stop());
  return server.url;
}

function describe(ports: Ports, databaseUrl: string): Pick<Mesh, "urls" | "ports" | "databaseUrl"> {
  return {
    ports,
    databaseUrl,
    urls: {
      gateway: origin(ports.gateway),
      oidc: origin(ports.oidc),
      banks: { "north-bank": origin(ports["north-bank"]), "maple-bank": origin(ports["maple-bank"]) },
      shop: origin(ports.shop),
      mail: origin(ports.mail),
      providers: Object.fromEntries(providerNames.map((name) => [name, origin(ports[name])])) as MeshUrls["providers"], // one for each
      admin: {
        registry: origin(ports["registry-admin"]),
        router: origin(ports["router-admin"]),
        wallet: origin(ports["wallet-admin"]),
        credential: origin(ports["credential-admin"]),
      },
    },
  };
}

function once(work: () => Promise<void>): () => Promise<void> {
  let started: Promise<void> | undefined;
  return () => {
    started ??= work();
    return started;
  };
}
