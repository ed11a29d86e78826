import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { loadMeshTls, type MeshTls } from "../../services/platform/tls/load-mesh-tls.ts";
import { freePorts } from "../local/free-ports.ts";
import { type Mesh, type MeshOptions, startMesh } from "../local/mesh.ts";
import { type PortName, type Ports, portNames } from "../local/ports.ts";
import { releaseDataDirectory, startEmbeddedPostgres } from "../local/postgres.ts";
import { demoWorld, repositoryRoot, type ServiceName } from "../local/world.ts";

const run = promisify(execFile);
/** What a payment and the reading of accounts need; stand-ins of data providers would only take from the machine. */
const paymentServices: readonly ServiceName[] = [
  "registry",
  "router",
  "wallet",
  "credential",
  "north-bank",
  "maple-bank",
  "shop",
  "mail",
];
const outputBytesMax = 512 * 1024 * 1024;

/** A mesh of the benchmark's own, on a durable PostgreSQL of its own, and the processes to account for. */
export interface BenchWorld {
  readonly mesh: Mesh;
  readonly directory: string;
  /** Root process of each group. */
  readonly pids: Readonly<Record<string, number>>;
  stop(): Promise<void>;
}

/** One payment to make: a card token that works once, and the wallet card token that routes it. */
export interface BenchToken {
  readonly cardToken: string;
  readonly walletCardToken: string;
}

/** What of the mesh a benchmark needs; what a payment needs unless told. */
export interface BenchWorldOptions extends Pick<MeshOptions, "services" | "env"> {
  readonly progress: (text: string) => void;
}

/** Starts it on free ports with fsync on, as in production; nothing of it is left behind. */
export async function startBenchWorld(options: BenchWorldOptions): Promise<BenchWorld> {
  const directory = await mkdtemp(path.join(tmpdir(), "paymesh-bench-"));
  const dataDirectory = await mkdtemp(path.join(tmpdir(), "paymesh-bench-postgres-"));
  const numbers = await freePorts(portNames.length);
  const ports = Object.fromEntries(
    portNames.map((name, index): [PortName, number] => [name, numbers[index] ?? 0]),
  ) as Ports; // one entry for each name
  const postgres = await startEmbeddedPostgres({ dataDirectory, port: ports.postgres, durable: true });
  const stopPostgres = async (): Promise<void> => {
    await postgres.stop();
    await releaseDataDirectory(dataDirectory);
    await rm(dataDirectory, { recursive: true, force: true });
    await rm(directory, { recursive: true, force: true });
  };
  try {
    const mesh = await startMesh({
      directory,
      ports,
      databaseUrl: postgres.url,
      environment: { ...process.env, LOG_LEVEL: "warn" },
      services: options.services ?? paymentServices,
      ...(options.env === undefined ? {} : { env: options.env }),
      gatewayThreads: 2,
      onProgress: options.progress,
    });
    const pids: Record<string, number> = { postgres: postgres.pid, "load generator": process.pid };
    for (const name of mesh.processes) pids[name] = mesh.pid(name) ?? 0;
    return {
      mesh,
      directory,
      pids,
      stop: async () => {
        await mesh.stop();
        await stopPostgres();
      },
    };
  } catch (error) {
    await stopPostgres();
    throw error;
  }
}

/** Seeds cards at North Bank and mints tokens for payments of one dollar at the demo merchant, before any clock starts. */
export async function mintTokens(world: BenchWorld, count: { cards: number; tokens: number }): Promise<BenchToken[]> {
  const args = [
    "--cards",
    String(count.cards),
    "--tokens",
    String(count.tokens),
    "--merchant",
    demoWorld.merchantId,
    "--amount",
    "1.00",
  ];
  const { stdout } = await run(process.execPath, [path.join(repositoryRoot, "services/bank/seed-bench.ts"), ...args], {
    env: { ...world.mesh.environment("north-bank") },
    maxBuffer: outputBytesMax,
  });
  return stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => {
      const [cardToken = "", walletCardToken = ""] = line.split(" ");
      return { cardToken, walletCardToken };
    });
}

/** The certificate of a program of the world, to call others in its name. */
export async function benchTls(world: Pick<BenchWorld, "directory">, name: "gateway" | "wallet"): Promise<MeshTls> {
  const certs = path.join(world.directory, "certs");
  return await loadMeshTls({
    certFile: path.join(certs, `${name}.pem`),
    keyFile: path.join(certs, `${name}.key`),
    caFile: path.join(certs, "ca.pem"),
  });
}
