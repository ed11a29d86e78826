import path from "node:path";
import { parseArgs } from "node:util";
import { MigrationError } from "../../services/platform/db/migrate.ts";
import { EnvoyMissingError } from "../envoy/find-envoy.ts";
import { describeBusyPorts } from "./busy-ports.ts";
import { AlreadyRunningError, endLeftOvers } from "./left-overs.ts";
import { LocalSecretsError } from "./local-secrets.ts";
import { ProcessStartError } from "./managed-process.ts";
import { type Mesh, startMesh } from "./mesh.ts";
import { OperatorCallError } from "./operator-calls.ts";
import { PortError, resolvePorts } from "./ports.ts";
import { EmbeddedPostgresError } from "./postgres.ts";
import { DatabaseUnusableError } from "./prepare-database.ts";
import { resetWorld } from "./reset.ts";
import { renderScreen } from "./screen.ts";
import { repositoryRoot } from "./world.ts";

// `npm start`: the whole local world in one terminal, until Ctrl-C.

const usage = `npm start [-- options]
  --reset                forget all data first
  --port <name>=<port>   another port; may be repeated, also as PAYMESH_PORT_<NAME>
  --directory <path>     where secrets, certificates and logs lie; .local of the checkout unless told
  DATABASE_URL           a PostgreSQL to use in place of the embedded one`;

/** These tell a person what to do by their message alone. */
const plainErrors = [
  AlreadyRunningError,
  DatabaseUnusableError,
  EmbeddedPostgresError,
  EnvoyMissingError,
  LocalSecretsError,
  MigrationError,
  OperatorCallError,
  PortError,
  ProcessStartError,
];

function describeFailure(error: unknown): string {
  if (plainErrors.some((kind) => error instanceof kind)) return (error as Error).message;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

function readArguments() {
  try {
    const { values } = parseArgs({
      options: {
        reset: { type: "boolean", default: false },
        directory: { type: "string", default: path.join(repositoryRoot, ".local") },
        port: { type: "string", multiple: true, default: [] },
        help: { type: "boolean", default: false },
      },
    });
    return values;
  } catch (error) {
    throw new PortError(`${error instanceof Error ? error.message : String(error)}\n${usage}`);
  }
}

async function start(signal: AbortSignal): Promise<Mesh | undefined> {
  const startedAt = performance.now();
  const values = readArguments();
  if (values.help) {
    process.stdout.write(`${usage}\n`);
    return undefined;
  }
  const ports = resolvePorts(process.env, values.port);
  const databaseUrl = process.env["DATABASE_URL"] || undefined;
  const directory = path.resolve(values.directory);
  const progress = (text: string): boolean => process.stdout.write(`${text}\n`);
  if (values.reset) {
    progress("Forgetting the earlier world");
    await resetWorld(directory, databaseUrl);
  }
  await endLeftOvers(path.join(directory, "run.json"));
  const busy = await describeBusyPorts(ports, databaseUrl === undefined);
  if (busy.length > 0) throw new PortError(busy.join("\n"));
  const mesh = await startMesh({
    directory,
    ports,
    environment: process.env,
    signal,
    onProgress: progress,
    ...(databaseUrl === undefined ? {} : { databaseUrl }),
  });
  const readyInMs = performance.now() - startedAt;
  process.stdout.write(`${renderScreen(mesh, { readyInMs, logDirectory: path.join(directory, "logs") })}\n`);
  return mesh;
}

const stopping = new AbortController();
let ask: (signal: string) => void = () => undefined;
const asked = new Promise<string>((resolve) => {
  ask = resolve;
});
for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(name, () => {
    if (!stopping.signal.aborted) process.stdout.write("\nStopping\n");
    stopping.abort();
    ask(name);
  });
}

try {
  const mesh = await start(stopping.signal);
  if (mesh !== undefined) {
    const ended = await Promise.race([asked, mesh.unexpectedExit]);
    const isFailure = mesh.processes.some((name) => name === ended);
    if (isFailure) process.stderr.write(`${ended} ended by itself; its log says why. Stopping the rest.\n`);
    await mesh.stop();
    process.exitCode = isFailure ? 1 : 0;
  }
} catch (error) {
  if (!stopping.signal.aborted) process.stderr.write(`${describeFailure(error)}\n`);
  process.exitCode = stopping.signal.aborted ? 130 : 1;
}
process.exit();
